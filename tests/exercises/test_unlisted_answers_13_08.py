"""Answers to 13.8 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lab_support.documents.money import Money
from lab_support.documents.objectid import PyObjectId
from lab_support.documents.validators import Validator, apply_validator
from lab_support.documents.versions import Upcasters
from lab_support.exercises import State, Verdict, find, judge
from lab_support.exercises.s13_08.e3_tighten import CONTACT_SCHEMA

NUMBERS = range(1, 7)


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("nonsense", [None, 7, object, print])
@pytest.mark.parametrize("exercise_id", [f"13.8.{number}" for number in NUMBERS])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


# 13.8.1


def products_with(**config: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    """Make the three models, configured as said; return their union, and the models by kind."""

    class Common(BaseModel):
        model_config = ConfigDict(**config)
        id: PyObjectId = Field(alias="_id")
        sku: str
        name: str
        price: Money

    class Monitor(Common):
        kind: Literal["monitor"]
        inches: float | None = None
        refresh_hz: int | None = None

    class TShirt(Common):
        kind: Literal["tshirt"]
        size: Literal["S", "M", "L", "XL"] | None = None
        color: str | None = None

    class Book(Common):
        kind: Literal["book"]
        author: str
        pages: int | None = None

    models = {"monitor": Monitor, "tshirt": TShirt, "book": Book}
    return TypeAdapter(Annotated[Monitor | TShirt | Book, Field(discriminator="kind")]), models


@pytest.mark.parametrize("how", [{}, {"exclude_none": True}], ids=["adds_nulls", "drops_nulls"])
def test_null_for_missing_has_no_cause(how):
    """A dump that writes null for missing, or leaves null out, changes more than the name."""
    read, _ = products_with(extra="allow")
    written = judged("13.8.1", read.validate_python, lambda product: product.model_dump(by_alias=True, **how))

    assert causes(written) == []


def test_forbidding_unknown_fields_has_no_cause():
    """A model that refuses what it does not know loses nothing, and reads too little."""
    read, _ = products_with(extra="forbid")
    verdict = judged(
        "13.8.1", read.validate_python, lambda one: one.model_dump(by_alias=True, exclude_unset=True)
    )

    assert causes(verdict) == []


def test_asynchronous_functions_that_merge_pass():
    """Unknown fields may be kept beside the model, too, and the class looked up in a table."""
    _, models = products_with(frozen=False)
    stored: dict[str, Any] = {}

    async def read_product(document):
        if document["kind"] not in models:
            raise ValueError("no such kind")
        stored[document["sku"]] = document
        return models[document["kind"]](**document)

    async def product_document(product):
        return stored[product.sku] | product.model_dump(by_alias=True, exclude_unset=True)

    assert judged("13.8.1", read_product, product_document).passed


# 13.8.2

RULES: dict[str, Any] = {
    "bsonType": "object",
    "required": ["email", "name", "balance", "created_at", "roles"],
    "additionalProperties": False,
    "properties": {
        "_id": {"bsonType": "objectId"},
        "email": {"type": "string", "pattern": r"^\S+@\S+\.\S+$"},
        "name": {"bsonType": "string", "minLength": 1, "maxLength": 80},
        "age": {"bsonType": ["long", "int"], "minimum": -1, "exclusiveMinimum": True, "maximum": 150},
        "balance": {"bsonType": "decimal", "minimum": 0},
        "created_at": {"bsonType": "date"},
        "roles": {"bsonType": "array", "minItems": 1, "items": {"enum": ["customer", "staff", "admin"]}},
        "address": {"bsonType": "object", "required": ["city"]},
    },
}


def with_rule(field: str, rule: dict[str, Any]) -> dict[str, Any]:
    changed = deepcopy(RULES)
    changed["properties"][field] = rule
    return changed


def test_rules_in_other_words_pass():
    """`type: "string"` is right for a text, and an exclusive bound is a bound."""
    assert judged("13.8.2", RULES).passed


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({}, []),
        ({"not": {}}, []),
        ({"$jsonSchema": RULES}, []),
        ({"bsonType": "object", "additionalProperties": False}, ["forbids-underscore-id"]),
        (with_rule("email", {"type": "string"}), []),
        (with_rule("age", {"bsonType": "number", "minimum": 0}), []),
        (with_rule("created_at", {"type": "string"}), []),
        (with_rule("address", {"bsonType": "object"}), []),
    ],
    ids=["all", "none", "wrapped", "nothing_but", "no_pattern", "number", "text_date", "no_city"],
)
def test_wrong_rules_get_no_false_cause(schema, named):
    """A cause is named only where it is the reason."""
    assert causes(judged("13.8.2", schema)) == named


# 13.8.3


async def apply_rules(database, level="moderate", action="error"):
    await apply_validator(database, "contacts", Validator(schema=CONTACT_SCHEMA, level=level, action=action))


async def mend(database):
    async for contact in database["contacts"].find({}):
        age = contact.get("age", 0)
        mended = {"visits": 0} | {name: value for name, value in contact.items() if value is not None}
        if isinstance(age, str):
            mended["age"] = int(age)
        await database["contacts"].replace_one({"_id": contact["_id"]}, mended)


async def finish(database):
    left = await database["contacts"].count_documents({"$nor": [{"$jsonSchema": CONTACT_SCHEMA}]})
    if not left:
        await apply_rules(database, "strict")
    return left


async def nothing(_database):
    return 0


async def finish_in_any_case(database):
    left = await finish(database)
    await apply_rules(database, "strict")
    return left


async def delete_the_wrong(database):
    await database["contacts"].delete_many({"$nor": [{"$jsonSchema": CONTACT_SCHEMA}]})
    await apply_rules(database)


async def begin_without(database):
    await apply_rules(database, "off")


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ((apply_rules, mend, nothing), []),
        ((begin_without, mend, finish), []),
        ((nothing, mend, finish), []),
        ((delete_the_wrong, nothing, finish), []),
        ((apply_rules, nothing, finish), []),
        ((apply_rules, mend, finish_in_any_case), ["strict-blocks-legacy"]),
    ],
    ids=["no_finish", "off", "no_rules", "deletes", "no_mending", "finishes_too_early"],
)
def test_wrong_ways_to_tighten_get_no_false_cause(steps, named):
    """Rules left out, put off, or kept by deleting customers do not pass."""
    assert causes(judged("13.8.3", *steps)) == named


def test_whole_documents_put_back_pass():
    """Mending may replace documents, as long as nothing is lost."""
    assert judged("13.8.3", apply_rules, mend, finish).passed


# 13.8.4


async def report_without_missing(collection):
    pairs = [
        {"$project": {"pair": {"$objectToArray": "$$ROOT"}}},
        {"$unwind": "$pair"},
        {"$group": {"_id": {"field": "$pair.k", "type": {"$type": "$pair.v"}}, "count": {"$sum": 1}}},
    ]
    return [group["_id"] | {"count": group["count"]} async for group in collection.aggregate(pairs)]


async def report_in_pythons_words(collection):
    rows: dict[tuple[str, str], int] = {}
    async for document in collection.find():
        for field, value in document.items():
            rows[field, type(value).__name__] = rows.get((field, type(value).__name__), 0) + 1
    return [{"field": field, "type": kind, "count": count} for (field, kind), count in rows.items()]


async def report_one_row_each(collection):
    return [
        {"field": field, "type": "missing", "count": 1}
        async for document in collection.find()
        for field in document
    ]


@pytest.mark.parametrize("report", [report_without_missing, report_in_pythons_words, report_one_row_each])
def test_other_wrong_reports_have_no_cause(report):
    """A report that leaves rows out, or names types as Python does, believes something else."""
    assert causes(judged("13.8.4", report)) == []


# 13.8.5

UPCASTERS = Upcasters()


@UPCASTERS.step
def _first(customer):
    first, _, last = customer.pop("name").rpartition(" ")
    return customer | {"first_name": first, "last_name": last}


@UPCASTERS.step
def _second(customer):
    phone = customer.pop("phone", None)
    return customer | {"phones": [phone] if phone else []}


async def read_one(customers, customer_id):
    stored = await customers.find_one({"_id": customer_id})
    return UPCASTERS.upcast(stored) if stored else None


def test_writing_behind_the_readers_back_is_seen():
    """A task that stores the new form after the answer is a write on read as well."""
    tasks = []

    async def find_customer(customers, customer_id):
        found = await read_one(customers, customer_id)
        if found:
            tasks.append(asyncio.ensure_future(customers.replace_one({"_id": customer_id}, found)))
        return found

    assert causes(judged("13.8.5", find_customer)) == ["writes-on-read"]


@pytest.mark.parametrize("more", [{"name": "Ada"}, {"schema_version": 2}, {"phones": None}], ids=str)
def test_other_wrong_forms_have_no_cause(more):
    """A version 3 that keeps an old field, or another version, is neither lost nor written."""

    async def find_customer(customers, customer_id):
        found = await read_one(customers, customer_id)
        return found and found | more

    assert causes(judged("13.8.5", find_customer)) == []


# 13.8.6


def by_filter(filter_: dict[str, Any]) -> Any:
    """Make a function that finds the SKUs for one filter."""

    async def found(products, *_grams):
        return [product["sku"] async for product in products.find(filter_)]

    return found


NEVER, WITHOUT = by_filter({"warranty": {"$exists": False}}), by_filter({"warranty": {"$type": 10}})


async def whole_numbers_only(products, grams):
    heavy = [product["sku"] async for product in products.find({"weight": {"$gt": grams}})]
    texts = products.find({"weight": {"$type": "string"}})
    return heavy + [
        one["sku"] async for one in texts if one["weight"].isdigit() and int(one["weight"]) > grams
    ]


@pytest.mark.parametrize(
    "answer",
    [
        (NEVER, WITHOUT, whole_numbers_only),
        (NEVER, WITHOUT, by_filter({})),
        (by_filter({}), by_filter({}), whole_numbers_only),
        (NEVER, by_filter({"warranty": {"$exists": True}}), whole_numbers_only),
    ],
    ids=["no_fractions", "all_heavy", "all", "exists"],
)
def test_other_wrong_queries_have_no_cause(answer):
    """Too much, or too little, for another reason than the two that are known."""
    assert causes(judged("13.8.6", *answer)) == []
