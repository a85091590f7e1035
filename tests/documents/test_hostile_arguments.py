"""Whatever a client sends as a filter, an update, a schema or a pipeline: it is done, or refused with a code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from lab_support.documents.embedded.aggregating import compile_pipeline
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.projecting import compile_projection
from lab_support.documents.embedded.updating import compile_update
from lab_support.documents.embedded.validation import compile_schema

DOCUMENT: dict[str, Any] = {
    "_id": 1,
    "a": [1, {"b": [2, {"c": "x"}]}, [3], None],
    "b": {"a": 1.5, "b": "text", "c": Decimal128("NaN")},
    "c": "aaa",
}
QUERY = "$eq $ne $gt $gte $lt $lte $in $nin $all $elemMatch $size $mod $type $regex $options $exists $not"
LOGICAL = "$and $or $nor $expr $jsonSchema $comment $where $text"
UPDATE = (
    "$set $unset $inc $mul $min $max $rename $push $addToSet $pull $pullAll $pop $currentDate $setOnInsert"
)
CLAUSES = "$each $slice $sort $position $type"
SCHEMA = """
    bsonType type enum minimum maximum exclusiveMinimum multipleOf minLength maxLength pattern minItems maxItems
    uniqueItems items additionalItems required properties patternProperties additionalProperties minProperties
    dependencies allOf anyOf oneOf not title"""
EXPRESSIONS = """
    $add $subtract $multiply $divide $cond $ifNull $concat $toString $toDecimal $type $size $map $filter $let $eq
    $gt $cmp $and $arrayElemAt $toInt $sum $first $push $abs $mod $in $isArray $literal $switch $objectToArray"""
STAGES = (
    "$match $project $group $sort $limit $skip $unwind $count $addFields $unset $replaceRoot $lookup $facet"
)

NUMBERS = [
    0,
    1,
    -1,
    2**31,
    Int64(2**62),
    1.5,
    float("nan"),
    float("inf"),
    Decimal128("0.1"),
    Decimal128("sNaN"),
]
TEXTS = ["", "a", "a.b", "$a", "$b.c", "$", "int", "array", "x" * 50, "$$ROOT", "$$x"]
OTHERS = [None, True, Regex("a+"), ObjectId(b"0" * 12), Binary(b"x"), MinKey(), MaxKey(), Timestamp(1, 1)]
PATHS = [
    "a",
    "b",
    "a.b",
    "a.0",
    "a.1.b",
    "a.$",
    "a.$[]",
    "b.a",
    "c.d",
    "_id",
    ".",
    "a.",
    "$x",
    "z.9",
    "as",
    "from",
    "in",
]

scalars = st.sampled_from([*NUMBERS, *TEXTS, *OTHERS])
paths = st.sampled_from(PATHS)


@contextmanager
def done_or_refused() -> Iterator[None]:
    """Let refusals pass, but not the one that stands for an error of the server itself."""
    try:
        yield
    except CommandError as error:
        if error.code == 1:
            raise


def documents(words: str) -> st.SearchStrategy[Any]:
    """Give nested values whose names are paths or these words."""
    names = st.sampled_from(words.split()) | paths
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


def single(words: str, inner: str) -> st.SearchStrategy[dict[str, Any]]:
    """Give documents of one field, as stages and expressions are."""
    return st.builds(lambda name, value: {name: value}, st.sampled_from(words.split()), documents(inner))


def named(words: str, inner: str) -> st.SearchStrategy[dict[str, Any]]:
    """Give documents whose outer names are among the first words."""
    return st.dictionaries(st.sampled_from(words.split()) | paths, documents(inner), max_size=3)


@given(named(LOGICAL, f"{QUERY} {LOGICAL}"))
def test_filter_is_applied_or_refused(query: dict[str, Any]) -> None:
    """No other error comes out, and nothing but yes or no."""
    with done_or_refused():
        assert compile_filter(query)(DOCUMENT) in (True, False)


array_filters = st.none() | st.lists(
    st.dictionaries(st.sampled_from(["x", "x.b", "$or"]), documents(QUERY)), max_size=2
)


@given(named(UPDATE, f"{CLAUSES} {QUERY}") | documents(UPDATE), array_filters, st.booleans())
def test_update_is_applied_or_refused(update: Any, filters: Any, upsert: bool) -> None:
    """The stored document stays as it was, its `_id` too, and `_id` comes first."""
    before = repr(DOCUMENT)
    query = {"_id": 1, "a": {"$exists": True}}
    with done_or_refused():
        compiled = compile_update(update, filters)
        changed = compiled.insert({"_id": 1, "k": 2}) if upsert else compiled.apply(DOCUMENT, query)
        assert next(iter(changed.items())) == ("_id", 1)
    assert repr(DOCUMENT) == before


@given(documents(SCHEMA))
def test_schema_is_asked_or_refused(schema: Any) -> None:
    """Also where it is nested in itself."""
    with done_or_refused():
        assert isinstance(compile_schema(schema).unmet(DOCUMENT), list)


@given(st.lists(single(STAGES, f"{EXPRESSIONS} {QUERY} {STAGES}"), max_size=3))
def test_pipeline_is_run_or_refused(stages: list[Any]) -> None:
    """Stage by stage."""
    with done_or_refused():
        made = list(compile_pipeline(stages, lambda _: [])([DOCUMENT]))
        assert all(isinstance(one, dict) for one in made)


@given(single(EXPRESSIONS, EXPRESSIONS), documents(EXPRESSIONS))
def test_expression_is_evaluated_or_refused(expression: Any, other: Any) -> None:
    """In a stage and in a filter."""
    with done_or_refused():
        list(compile_pipeline([{"$set": {"x": expression, "y": other}}], lambda _: [])([DOCUMENT]))
    with done_or_refused():
        assert compile_filter({"$expr": expression})(DOCUMENT) in (True, False)


@given(documents(f"{EXPRESSIONS} $slice $elemMatch $meta"))
def test_projection_is_made_or_refused(projection: Any) -> None:
    """Of any shape."""
    with done_or_refused():
        wanted = projection if isinstance(projection, dict) else {"a": projection}
        assert isinstance(compile_projection(wanted)(DOCUMENT), dict)


@pytest.mark.parametrize(
    "number", [float("inf"), float("nan"), Decimal128("Infinity"), Decimal128("sNaN")], ids=repr
)
def test_numbers_without_value_do_no_harm(number: Any) -> None:
    """In places where a whole number or a comparison is expected."""
    for query in (
        {"a": {"$size": number}},
        {"a": {"$mod": [number, 1]}},
        {"a": {"$gt": number}},
        {"a": number},
    ):
        with done_or_refused():
            assert compile_filter(query)({"a": number}) in (True, False)
