"""Filters: what they find, what they refuse, and how long a hostile pattern may take."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex
from hypothesis import given
from hypothesis import strategies as st

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.matching import compile_filter, matches

Document = Mapping[str, Any]
NAN = float("nan")

FOUND: dict[str, tuple[Document, Document]] = {
    "null finds a missing field": ({"a": None}, {}),
    "null finds null": ({"a": None}, {"a": None}),
    "null finds what one document of an array lacks": ({"a.b": None}, {"a": [{"b": 1}, {}]}),
    "a value finds an array with it": ({"a": 1}, {"a": [1, 2]}),
    "an array finds an equal one": ({"a": [1, 2]}, {"a": [1, 2]}),
    "an array finds itself as an element": ({"a": [1]}, {"a": [[1], 2]}),
    "a decimal finds an equal int": ({"a": Decimal128("1.00")}, {"a": 1}),
    "decimals differ in digits, not in value": ({"a": Decimal128("1.10")}, {"a": Decimal128("1.1")}),
    "NaN finds NaN": ({"a": NAN}, {"a": Decimal128("NaN")}),
    "a number in a path counts elements": ({"a.1": 2}, {"a": [1, 2]}),
    "a number in a path is a name too": ({"a.1": 2}, {"a": {"1": 2}}),
    "a path enters documents in arrays": ({"a.b.c": 3}, {"a": [{"b": [{"c": 3}]}]}),
    "gte compares decimal and double": ({"a": {"$gte": Decimal128("1.1")}}, {"a": 1.5}),
    "gte null finds missing": ({"a": {"$gte": None}}, {}),
    "two bounds may be met by two elements": ({"a": {"$gt": 4, "$lt": 2}}, {"a": [1, 5]}),
    "lt orders dates": (
        {"a": {"$lt": datetime(2026, 1, 2, tzinfo=UTC)}},
        {"a": datetime(2026, 1, 1, tzinfo=UTC)},
    ),
    "MaxKey is above all": ({"a": {"$lt": MaxKey()}}, {"a": "x"}),
    "MinKey is below all": ({"a": {"$gt": MinKey()}}, {"a": None}),
    "in finds null as missing": ({"a": {"$in": [None, 1]}}, {}),
    "in takes patterns": ({"a": {"$in": [Regex("^x"), 3]}}, {"a": "xa"}),
    "ne finds missing": ({"a": {"$ne": 1}}, {}),
    "nin finds missing": ({"a": {"$nin": [1]}}, {}),
    "not finds missing": ({"a": {"$not": {"$gt": 1}}}, {}),
    "not of exists": ({"a": {"$not": {"$exists": True}}}, {}),
    "exists finds null": ({"a": {"$exists": True}}, {"a": None}),
    "exists false finds missing": ({"a": {"$exists": False}}, {"b": 1}),
    "type tells int": ({"a": {"$type": "int"}}, {"a": 1}),
    "type tells long": ({"a": {"$type": "long"}}, {"a": Int64(1)}),
    "type number is all four": ({"a": {"$type": "number"}}, {"a": Decimal128("1")}),
    "type takes numbers": ({"a": {"$type": [2, 8]}}, {"a": True}),
    "type array tells arrays": ({"a": {"$type": "array"}}, {"a": []}),
    "type looks into arrays": ({"a": {"$type": "string"}}, {"a": [1, "x"]}),
    "size counts": ({"a": {"$size": 2}}, {"a": [1, 1]}),
    "all takes one by one": ({"a": {"$all": [1, 2]}}, {"a": [3, 2, 1]}),
    "all takes a single value": ({"a": {"$all": [1]}}, {"a": 1}),
    "all takes elemMatch": ({"a": {"$all": [{"$elemMatch": {"b": 1}}]}}, {"a": [{"b": 1}]}),
    "elemMatch wants one element for all": (
        {"a": {"$elemMatch": {"b": 1, "c": 2}}},
        {"a": [{"b": 1, "c": 2}]},
    ),
    "elemMatch takes operators": ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 2]}),
    "elemMatch takes or": ({"a": {"$elemMatch": {"$or": [{"b": 1}, {"b": 2}]}}}, {"a": [{"b": 2}]}),
    "mod keeps the sign": ({"a": {"$mod": [4, -1]}}, {"a": -5}),
    "mod cuts fractions": ({"a": {"$mod": [4, 1]}}, {"a": 5.9}),
    "a pattern is searched": ({"a": Regex("b.d")}, {"a": "abcde"}),
    "options make it blind to case": ({"a": {"$regex": "^B", "$options": "i"}}, {"a": "bx"}),
    "letters beyond A to Z have cases": ({"a": Regex("É", "i")}, {"a": "é"}),
    "a pattern finds itself": ({"a": Regex("x")}, {"a": Regex("x")}),
    "a document finds its equal": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}),
    "or needs one": ({"$or": [{"a": 1}, {"b": 1}]}, {"b": 1}),
    "nor needs none": ({"$nor": [{"a": 1}, {"b": 1}]}, {"c": 1}),
    "a comment says nothing": ({"$comment": "hello", "a": 1}, {"a": 1}),
    "a schema is a filter": ({"$jsonSchema": {"required": ["a"]}}, {"a": 1}),
    "an empty filter finds all": ({}, {"a": 1}),
}

OVERLOOKED: dict[str, tuple[Document, Document]] = {
    "one is not true": ({"a": 1}, {"a": True}),
    "true is not one": ({"a": True}, {"a": 1}),
    "zero is not false": ({"a": {"$in": [False]}}, {"a": 0}),
    "null is not zero": ({"a": None}, {"a": 0}),
    "scalars in an array lack no field": ({"a.b": None}, {"a": [1, 2]}),
    "the order of fields counts": ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}),
    "a number is not above a string": ({"a": {"$gt": "5"}}, {"a": 6}),
    "a missing field is not below": ({"a": {"$lt": 5}}, {}),
    "null is not below": ({"a": {"$lt": 5}}, {"a": None}),
    "nothing is above null": ({"a": {"$gt": None}}, {"a": 1}),
    "NaN is not below a number": ({"a": {"$lt": 5}}, {"a": NAN}),
    "an int is no long": ({"a": {"$type": "long"}}, {"a": 1}),
    "true is no number": ({"a": {"$type": "number"}}, {"a": True}),
    "a missing field has no type": ({"a": {"$type": "null"}}, {}),
    "ne looks into arrays": ({"a": {"$ne": 1}}, {"a": [1, 2]}),
    "all of nothing": ({"a": {"$all": []}}, {"a": []}),
    "size wants an array": ({"a": {"$size": 1}}, {"a": "x"}),
    "elemMatch wants an array": ({"a": {"$elemMatch": {"b": 1}}}, {"a": {"b": 1}}),
    "elemMatch wants one element": ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 5]}),
    "a pattern wants a string": ({"a": Regex("1")}, {"a": 1}),
    "a dot is no name": ({"a.b": 1}, {"a.b": 1}),
}

REFUSED: dict[str, tuple[Document, int]] = {
    "JavaScript": ({"$where": "sleep(10000)"}, 238),
    "an unknown operator": ({"a": {"$near_by": 1}}, 2),
    "an unknown operator of documents": ({"$elsewhere": 1}, 2),
    "text search": ({"$text": {"$search": "x"}}, 238),
    "a name among operators": ({"a": {"$gt": 1, "b": 2}}, 2),
    "in without an array": ({"a": {"$in": 1}}, 2),
    "operators in in": ({"a": {"$in": [{"$gt": 1}]}}, 2),
    "an empty and": ({"$and": []}, 2),
    "or without documents": ({"$or": [1]}, 2),
    "a type that is none": ({"a": {"$type": "varchar"}}, 2),
    "a pattern that is none": ({"a": {"$regex": "("}}, 51091),
    "a pattern without end": ({"a": {"$regex": "a|" * 20_000}}, 51091),
    "a pattern too deep": ({"a": {"$regex": "(" * 5_000 + ")" * 5_000}}, 51091),
    "an option that is no text": ({"a": {"$regex": "a", "$options": 1}}, 2),
    "a type without value": ({"a": {"$type": float("nan")}}, 2),
    "an option that is none": ({"a": {"$regex": "a", "$options": "q"}}, 51108),
    "options alone": ({"a": {"$options": "i"}}, 2),
    "a pattern that is a number": ({"a": {"$regex": 1}}, 2),
    "ne of a pattern": ({"a": {"$ne": Regex("a")}}, 2),
    "gt of a pattern": ({"a": {"$gt": Regex("a")}}, 2),
    "mod by zero": ({"a": {"$mod": [0, 1]}}, 2),
    "mod of one number": ({"a": {"$mod": [2]}}, 2),
    "a negative size": ({"a": {"$size": -1}}, 9),
    "not of a number": ({"a": {"$not": 1}}, 2),
    "elemMatch of a number": ({"a": {"$elemMatch": 1}}, 2),
    "all of a number": ({"a": {"$all": 1}}, 2),
    "comparisons in all": ({"a": {"$all": [{"$gt": 1}]}}, 2),
}


@pytest.mark.parametrize("case", FOUND)
def test_filter_finds_the_document(case: str) -> None:
    """As the manual of MongoDB has it."""
    query, document = FOUND[case]

    assert matches(query, document)


@pytest.mark.parametrize("case", OVERLOOKED)
def test_filter_does_not_find_the_document(case: str) -> None:
    """As the manual of MongoDB has it."""
    query, document = OVERLOOKED[case]

    assert not matches(query, document)


@pytest.mark.parametrize("case", REFUSED)
def test_filter_is_refused_before_any_document(case: str) -> None:
    """With MongoDB's code, even where a collection is empty."""
    query, code = REFUSED[case]

    with pytest.raises(CommandError) as caught:
        compile_filter(query)

    assert caught.value.code == code


def test_deep_filter_is_refused() -> None:
    """Not followed until the stack is full."""
    query: dict[str, Any] = {"a": 1}
    for _ in range(150):
        query = {"$and": [query]}

    with pytest.raises(CommandError) as caught:
        compile_filter(query)

    assert caught.value.code == 15


def test_hostile_pattern_ends_the_query_in_time() -> None:
    """A pattern that would take years is given up, with all its documents together."""
    find = compile_filter({"a": {"$regex": "^(a|aa)+$"}})
    started = time.perf_counter()

    with pytest.raises(CommandError) as caught:
        list(map(find, [{"a": "a" * 50 + "!"}] * 1000))

    assert caught.value.code == 51156
    assert time.perf_counter() - started < 10


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.builds(ObjectId, st.binary(min_size=12, max_size=12)),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000).map(
        Decimal128
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(values)
def test_value_finds_the_document_that_has_it(value: Any) -> None:
    """Equality is reflexive for every BSON value."""
    assert matches({"a": {"$eq": value}}, {"a": value})
    assert not matches({"a": {"$ne": value}}, {"a": value})


@given(scalars, scalars)
def test_comparisons_agree_with_each_other(left: Any, right: Any) -> None:
    """$lte is $lt or $eq; $gt and $lt never hold both; $not turns each around."""
    document = {"a": left}
    below, equal, above = (matches({"a": {operator: right}}, document) for operator in ("$lt", "$eq", "$gt"))

    assert below + equal + above <= 1
    assert matches({"a": {"$lte": right}}, document) == (below or equal)
    assert matches({"a": {"$not": {"$lt": right}}}, document) != below
