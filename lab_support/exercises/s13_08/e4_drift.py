"""13.8.4: a drift report, judged by what it tells of documents whose fields and types were drawn."""

from __future__ import annotations

import inspect
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_08.users import BEGIN, euros
from lab_support.exercises.story import Story

if TYPE_CHECKING:
    from lab_support.exercises.s13_08.users import Document

Row = tuple[str, str, int]
MISSING: Final = "missing"

drift = Exercise(
    id="13.8.4",
    title="Drift report",
    task="Report which fields the documents of a collection really have, with which types, and how often.",
    student_writes=("drift_report",),
    witness="answers",
    limit_s=20.0,
    hints=(
        "Three questions. Which document knows all the fields? Which names a type as BSON does: Python, or the server? "
        "And how do you count what is not there?",
        "`$objectToArray` makes pairs of name and value of a document, `$unwind` a document of each pair, and `$group` "
        'by name and `{"$type": …}` counts. A field is missing in all documents in which no type was counted.',
        '{"$project": {"fields": {"$objectToArray": "$$ROOT"}}}, {"$unwind": "$fields"},\n'
        '{"$group": {"_id": {"field": "$fields.k", "type": {"$type": "$fields.v"}}, "count": {"$sum": 1}}}\n'
        "# then, for each field: missing = documents - sum of its counts",
    ),
    misconceptions=(
        Misconception(
            "first-document-is-the-schema",
            "You believe that one document shows what all have. What drifts is what the first one does not have: "
            "collect the fields of all documents.",
            lambda seen: seen.unknown_to_first,
        ),
        Misconception(
            "missing-equals-null",
            "You believe that a missing field is null. Somebody wrote the null; nobody wrote the other. They come from "
            "different code, and a validator treats them differently: count them apart.",
            lambda seen: seen.missing_as_null,
        ),
    ),
)


@drift.act
async def report(attempt: Attempt) -> list[list[Any]]:
    """Have the collection reported on; return the rows as field, type and count."""
    rows = attempt.the("drift_report")(attempt.documents["sensors"])
    rows = await rows if inspect.isawaitable(rows) else rows
    return sorted([str(row["field"]), str(row["type"]), int(row["count"])] for row in rows)


def _kinds(draw: random.Random) -> dict[str, Callable[[], Any]]:
    """Return a way to make a value of each type that is drawn from."""
    from bson import Int64, ObjectId

    return {
        "int": lambda: draw.randint(0, 99),
        "long": lambda: Int64(draw.randint(2**40, 2**50)),
        "double": lambda: draw.randint(0, 99) + 0.5,
        "decimal": lambda: euros(draw),
        "string": lambda: f"{draw.randint(0, 99)}",
        "bool": lambda: draw.random() < 0.5,
        "date": lambda: BEGIN + timedelta(hours=draw.randint(0, 999)),
        "array": lambda: [draw.randint(0, 9), None],
        "object": lambda: {"value": draw.randint(0, 9), "unit": None},
        "objectId": ObjectId,
        "null": lambda: None,
    }


def _sensors(draw: random.Random, plan: dict[str, dict[str, int]], documents: int) -> list[Document]:
    """Make documents whose fields have so many values of each type; the others lack the field."""
    made: list[Document] = [{"serial": f"S-{number}"} for number in draw.sample(range(1000, 9999), documents)]
    make = _kinds(draw)
    for field, types in plan.items():
        kinds = [kind for kind, count in types.items() for _ in range(count)]
        for document, kind in zip(draw.sample(made, len(kinds)), kinds, strict=True):
            document[field] = make[kind]()
    return made


def _wanted(plan: dict[str, dict[str, int]], documents: int) -> Counter[tuple[str, str]]:
    """Return the report that tells the truth."""
    found = Counter({("_id", "objectId"): documents, ("serial", "string"): documents})
    for field, types in plan.items():
        found.update({(field, kind): count for kind, count in types.items()})
        found[field, MISSING] = documents - sum(types.values())
    return +found


async def _is_told(story: Story, plan: dict[str, dict[str, int]], documents: int) -> None:
    """Store documents by plan, ask for the report, and expect the plan in it."""
    sensors = story.documents["sensors"]
    sensors.insert_many(_sensors(story.random, plan, documents))
    first = sensors.find_one({}) or {}
    answer = await story.ask(report, call=f"drift_report(sensors) of {documents} documents")
    wanted = _wanted(plan, documents)
    found = {(field, kind): count for field, kind, count in answer.value}
    missing = [field for field in plan if wanted[field, MISSING]]
    told = {field for field, _ in found}
    as_null = [
        field
        for field in missing
        if found.get((field, "null")) == wanted[field, "null"] + wanted[field, MISSING]
    ]
    story.saw(
        unknown_to_first=story.seen.unknown_to_first or (told == {*first} and {*plan} - told),
        missing_as_null=story.seen.missing_as_null or as_null,
    )
    story.expect(len(found) == len(answer.value), "The report has two rows for the same field and type.",
                 observed=_in_words(Counter(found)))  # fmt: skip
    lacks = Counter({row: count for row, count in wanted.items() if found.get(row) != count})
    has = Counter({row: count for row, count in found.items() if wanted[row] != count})
    story.expect(found == dict(wanted), "The report tells something else than what is stored.",
                 expected=_in_words(lacks) or "no such row", observed=_in_words(has) or "no such row")  # fmt: skip


def _in_words(rows: Counter[tuple[str, str]]) -> str:
    return "; ".join(f"{field}: {count} {kind}" for (field, kind), count in sorted(rows.items()))


@drift.scenario("documents that are all alike have one row for each field", on="mongodb")
async def alike(story: Story) -> None:
    number = story.random.randint(3, 9)
    await _is_told(story, {"volts": {"double": number}, "placed_at": {"date": number}}, number)


@drift.scenario("each type of a field has its own row", on="mongodb", points=2)
async def types(story: Story) -> None:
    draw = story.random
    numbers = {kind: draw.randint(1, 4) for kind in ("int", "long", "double", "decimal", "string")}
    others = {kind: draw.randint(1, 3) for kind in ("bool", "date", "array", "object", "objectId", "null")}
    documents = max(sum(numbers.values()), sum(others.values()))
    numbers["int"] += documents - sum(numbers.values())
    others["bool"] += documents - sum(others.values())
    await _is_told(story, {"volts": numbers, "note": others}, documents)


@drift.scenario(
    "fields that only a few documents have are told, the others counted as missing", on="mongodb", points=2
)
async def rare(story: Story) -> None:
    draw = story.random
    documents = draw.randint(12, 20)
    plan = {f"x{draw.randint(10, 99)}_{number}": {"string": 1} for number in range(6)}
    await _is_told(story, plan | {"volts": {"double": documents - 4, "string": 2}}, documents)


@drift.scenario("missing and null are two things", on="mongodb", points=2)
async def nulls(story: Story) -> None:
    draw = story.random
    documents = draw.randint(12, 20)
    await _is_told(
        story,
        {
            "humidity": {"double": documents - 7, "null": draw.randint(1, 3)},
            "lux": {"null": draw.randint(2, 5)},
            "model": {"string": documents - 3},
        },
        documents,
    )
