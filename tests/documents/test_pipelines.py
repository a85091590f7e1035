"""Pipelines and expressions: each stage and operator with the result that MongoDB's manual gives."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from lab_support.documents.embedded.aggregating import compile_pipeline
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import compile_expression
from lab_support.documents.embedded.ordering import MISSING
from lab_support.documents.embedded.projecting import compile_projection

NEW_YEAR = datetime(2026, 1, 1)  # noqa: DTZ001 (BSON's dates come without a zone)
NEXT_DAY = NEW_YEAR + timedelta(days=1)
PRODUCTS = [
    {"_id": 1, "kind": "lamp", "price": Decimal128("1.10"), "tags": ["a", "b"]},
    {"_id": 2, "kind": "lamp", "price": Decimal128("2.20"), "tags": []},
    {"_id": 3, "kind": "book", "price": Decimal128("3.30"), "size": {"h": 1, "w": 2}},
    {"_id": 4, "price": 4, "tags": None},
]
ORDERS = [{"_id": 10, "product": 1, "n": 2}, {"_id": 11, "product": 1, "n": 5}, {"_id": 12, "product": 9}]


def run(*stages: dict[str, Any], documents: Any = None) -> list[dict[str, Any]]:
    """Send documents, the products if not others, through a pipeline."""
    pipeline = compile_pipeline(list(stages), {"orders": ORDERS, "products": PRODUCTS}.__getitem__)
    return list(pipeline(PRODUCTS if documents is None else documents))


def value(expression: Any, document: dict[str, Any] | None = None) -> Any:
    """Give an expression's value over a document."""
    return compile_expression(expression)(document or {})


STAGES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "match": ([{"$match": {"kind": "book"}}, {"$project": {"kind": 1}}], [{"_id": 3, "kind": "book"}]),
    "match by an expression": (
        [{"$match": {"$expr": {"$gt": ["$price", 3]}}}, {"$project": {"_id": 1}}],
        [{"_id": 3}, {"_id": 4}],
    ),
    "sort, skip, limit": (
        [{"$sort": {"price": -1}}, {"$skip": 1}, {"$limit": 2}, {"$project": {"_id": 1}}],
        [{"_id": 3}, {"_id": 2}],
    ),
    "count": ([{"$match": {"kind": "lamp"}}, {"$count": "n"}], [{"n": 2}]),
    "count of nothing": ([{"$match": {"kind": "chair"}}, {"$count": "n"}], []),
    "sort by count": (
        [{"$sortByCount": "$kind"}],
        [{"_id": "lamp", "count": 2}, {"_id": "book", "count": 1}, {"_id": None, "count": 1}],
    ),
    "group": (
        [
            {
                "$group": {
                    "_id": "$kind",
                    "total": {"$sum": "$price"},
                    "dearest": {"$max": "$price"},
                    "cheapest": {"$min": "$price"},
                    "mean": {"$avg": "$price"},
                    "number": {"$count": {}},
                    "ids": {"$push": "$_id"},
                }
            },
            {"$match": {"_id": "lamp"}},
        ],
        [
            {
                "_id": "lamp",
                "total": Decimal128("3.30"),
                "dearest": Decimal128("2.20"),
                "cheapest": Decimal128("1.10"),
                "mean": Decimal128("1.65"),
                "number": 2,
                "ids": [1, 2],
            }
        ],
    ),
    "group all": ([{"$group": {"_id": None, "n": {"$sum": 1}}}], [{"_id": None, "n": 4}]),
    "group by a document": (
        [{"$limit": 1}, {"$group": {"_id": {"k": "$kind", "x": "$none"}, "first": {"$first": "$_id"}}}],
        [{"_id": {"k": "lamp"}, "first": 1}],
    ),
    "unwind": (
        [{"$unwind": "$tags"}, {"$project": {"tags": 1}}],
        [{"_id": 1, "tags": "a"}, {"_id": 1, "tags": "b"}],
    ),
    "unwind keeping all": (
        [
            {"$unwind": {"path": "$tags", "preserveNullAndEmptyArrays": True, "includeArrayIndex": "i"}},
            {"$project": {"tags": 1, "i": 1}},
        ],
        [
            {"_id": 1, "tags": "a", "i": 0},
            {"_id": 1, "tags": "b", "i": 1},
            {"_id": 2, "i": None},
            {"_id": 3, "i": None},
            {"_id": 4, "tags": None, "i": None},
        ],
    ),
    "add fields": (
        [{"$match": {"_id": 3}}, {"$set": {"size.d": 3, "area": {"$multiply": ["$size.h", "$size.w"]}}}],
        [{**PRODUCTS[2], "size": {"h": 1, "w": 2, "d": 3}, "area": 2}],
    ),
    "unset": (
        [{"$match": {"_id": 3}}, {"$unset": ["price", "size.h"]}],
        [{"_id": 3, "kind": "book", "size": {"w": 2}}],
    ),
    "replace root": ([{"$match": {"_id": 3}}, {"$replaceRoot": {"newRoot": "$size"}}], [{"h": 1, "w": 2}]),
    "facet": (
        [{"$facet": {"n": [{"$count": "n"}], "first": [{"$limit": 1}, {"$project": {"_id": 1}}]}}],
        [{"n": [{"n": 4}], "first": [{"_id": 1}]}],
    ),
    "lookup": (
        [
            {"$lookup": {"from": "orders", "localField": "_id", "foreignField": "product", "as": "orders"}},
            {"$project": {"n": {"$size": "$orders"}}},
        ],
        [{"_id": 1, "n": 2}, {"_id": 2, "n": 0}, {"_id": 3, "n": 0}, {"_id": 4, "n": 0}],
    ),
    "lookup by equality and a pipeline": (
        [
            {"$limit": 1},
            {
                "$lookup": {
                    "from": "orders",
                    "localField": "_id",
                    "foreignField": "product",
                    "pipeline": [{"$match": {"n": {"$gt": 2}}}],
                    "as": "orders",
                }
            },
            {"$project": {"orders": 1}},
        ],
        [{"_id": 1, "orders": [{"_id": 11, "product": 1, "n": 5}]}],
    ),
    "field types, as a drift report asks": (
        [
            {"$project": {"field": {"$objectToArray": "$$ROOT"}}},
            {"$unwind": "$field"},
            {"$group": {"_id": {"name": "$field.k", "type": {"$type": "$field.v"}}, "n": {"$sum": 1}}},
            {"$match": {"_id.name": "tags"}},
            {"$sort": {"_id": 1}},
        ],
        [
            {"_id": {"name": "tags", "type": "array"}, "n": 2},
            {"_id": {"name": "tags", "type": "null"}, "n": 1},
        ],
    ),
}


@pytest.mark.parametrize(("stages", "expected"), STAGES.values(), ids=list(STAGES))
def test_stages_give_what_the_manual_says(
    stages: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    assert run(*stages) == expected


def test_pipeline_leaves_stored_documents_alone() -> None:
    before = repr(PRODUCTS)
    run({"$set": {"size.h": 9, "tags": []}}, {"$unset": "price"})
    assert repr(PRODUCTS) == before


EXPRESSIONS: dict[str, tuple[Any, Any]] = {
    "exact sum": ({"$add": [Decimal128("0.1"), Decimal128("0.2")]}, Decimal128("0.3")),
    "sum of null": ({"$add": [1, None]}, None),
    "int and long": ({"$add": [1, Int64(2)]}, Int64(3)),
    "difference": ({"$subtract": [5, 7.5]}, -2.5),
    "quotient is a double": ({"$divide": [1, 2]}, 0.5),
    "remainder has the sign of the dividend": ({"$mod": [-7, 3]}, -1),
    "rounding to even": ({"$round": [2.5]}, 2.0),
    "rounding money": ({"$round": [Decimal128("1.005"), 2]}, Decimal128("1.00")),
    "cut off": ({"$trunc": [-1.7]}, -1.0),
    "floor": ({"$floor": [Decimal128("-1.5")]}, Decimal128("-2")),
    "absolute value": ({"$abs": -3}, 3),
    "milliseconds between dates": (
        {"$subtract": [NEXT_DAY, NEW_YEAR]},
        Int64(86_400_000),
    ),
    "missing is less than null": ({"$lt": ["$none", None]}, True),
    "one is not true": ({"$eq": [1, True]}, False),
    "one equals 1.0": ({"$eq": [1, Decimal128("1.0")]}, True),
    "three-way comparison": ({"$cmp": ["b", "a"]}, 1),
    "zero is false": ({"$and": [1, 0]}, False),
    "empty string is true": ({"$or": ["", 0]}, True),
    "no demand is met": ({"$and": []}, True),
    "condition": ({"$cond": [{"$gt": [2, 1]}, "yes", "no"]}, "yes"),
    "condition by names": ({"$cond": {"if": None, "then": "yes", "else": "no"}}, "no"),
    "replaced null": ({"$ifNull": ["$none", None, "last"]}, "last"),
    "switch": ({"$switch": {"branches": [{"case": False, "then": 1}], "default": 2}}, 2),
    "variable": ({"$let": {"vars": {"x": 3}, "in": {"$multiply": ["$$x", "$$x"]}}}, 9),
    "text that looks like a path": ({"$literal": "$price"}, "$price"),
    "joined text": ({"$concat": ["a", "b"]}, "ab"),
    "joined with null": ({"$concat": ["a", None]}, None),
    "upper case": ({"$toUpper": "ab"}, "AB"),
    "part of a text": ({"$substrCP": ["hello", 1, 3]}, "ell"),
    "split text": ({"$split": ["a,b", ","]}, ["a", "b"]),
    "size": ({"$size": [[1, 2]]}, 2),
    "member": ({"$in": [1.0, [1, 2]]}, True),
    "last element": ({"$arrayElemAt": [[1, 2], -1]}, 2),
    "element behind the end": ({"$arrayElemAt": [[1, 2], 5]}, MISSING),
    "filter": ({"$filter": {"input": [1, 2, 3], "as": "n", "cond": {"$gte": ["$$n", 2]}}}, [2, 3]),
    "map": ({"$map": {"input": [1, 2], "in": {"$add": ["$$this", 1]}}}, [2, 3]),
    "reduce": (
        {"$reduce": {"input": [1, 2, 3], "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}},
        6,
    ),
    "sum of an array": ({"$sum": [[1, "x", 2]]}, 3),
    "mean": ({"$avg": [[1, 2]]}, 1.5),
    "greatest of arguments": ({"$max": [1, None, 3]}, 3),
    "union": ({"$setUnion": [[2, 1], [1.0, 3]]}, [1.0, 2, 3]),
    "what is not in the other": ({"$setDifference": [[1, 2], [2.0]]}, [1]),
    "document to array": ({"$objectToArray": {"a": 1}}, [{"k": "a", "v": 1}]),
    "array to document": ({"$arrayToObject": [[["a", 1]]]}, {"a": 1}),
    "merged": ({"$mergeObjects": [{"a": 1, "b": 1}, None, {"b": 2}]}, {"a": 1, "b": 2}),
    "type of nothing": ({"$type": "$none"}, "missing"),
    "type of money": ({"$type": [Decimal128("1")]}, "decimal"),
    "whole number from text": ({"$toInt": "12"}, 12),
    "money from text": ({"$toDecimal": "1.10"}, Decimal128("1.10")),
    "text from money": ({"$toString": Decimal128("1.10")}, "1.10"),
    "text from a boolean": ({"$toString": True}, "true"),
    "date from text": ({"$toDate": "2026-01-02T00:00:00Z"}, NEXT_DAY),
    "conversion that fails softly": ({"$convert": {"input": "x", "to": "int", "onError": -1}}, -1),
    "conversion of null": ({"$convert": {"input": None, "to": "int", "onNull": 0}}, 0),
    "year": ({"$year": NEXT_DAY}, 2026),
    "removed": ("$$REMOVE", MISSING),
}


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS.values(), ids=list(EXPRESSIONS))
def test_expressions_give_what_the_manual_says(expression: Any, expected: Any) -> None:
    found = value(expression)
    assert found == expected or (found is MISSING and expected is MISSING)
    assert type(found) is type(expected)


def test_path_through_an_array_gives_an_array() -> None:
    assert value("$lines.n", {"lines": [{"n": 1}, {"x": 2}, {"n": 3}]}) == [1, 3]


def test_sum_beyond_64_bits_becomes_a_double() -> None:
    total = value({"$sum": [Int64(2**63 - 1), 1]})
    assert isinstance(total, float)
    assert math.isclose(total, 2.0**63)


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "unknown stage": ({"$nonsense": {}}, 40324),
    "stage of MongoDB that is not here": ({"$graphLookup": {}}, 238),
    "stage that writes": ({"$out": "other"}, 238),
    "change stream": ({"$changeStream": {}}, 40573),
    "two stages in one": ({"$limit": 1, "$skip": 1}, 40323),
    "limit of nothing": ({"$limit": 0}, 15958),
    "skip backwards": ({"$skip": -1}, 15956),
    "unknown expression": ({"$set": {"a": {"$nonsense": 1}}}, 238),
    "two operators at once": ({"$set": {"a": {"$add": [1], "$sum": [1]}}}, 15983),
    "group without a key": ({"$group": {"n": {"$sum": 1}}}, 15955),
    "group by no accumulator": ({"$group": {"_id": 1, "n": "$price"}}, 40234),
    "unknown accumulator": ({"$group": {"_id": 1, "n": {"$top": 1}}}, 238),
    "unwind without a dollar": ({"$unwind": "tags"}, 28818),
    "count into a path": ({"$count": "a.b"}, 40156),
    "join with variables": ({"$lookup": {"from": "orders", "as": "o", "let": {}, "pipeline": []}}, 238),
    "wanted and unwanted": ({"$project": {"a": 1, "b": 0}}, 31254),
    "unwanted and wanted": ({"$project": {"a": 0, "b": 1}}, 31253),
    "colliding paths": ({"$project": {"a": 1, "a.b": 1}}, 31249),
    "wrong number of arguments": ({"$set": {"a": {"$subtract": [1]}}}, 16020),
    "sort by text": ({"$sort": {"a": "up"}}, 2),
    "empty path": ({"$set": {"a": "$"}}, 40353),
}


@pytest.mark.parametrize(("stage", "code"), REFUSED.values(), ids=list(REFUSED))
def test_malformed_stage_is_refused_before_it_runs(stage: dict[str, Any], code: int) -> None:
    with pytest.raises(CommandError) as refused:
        run(stage, documents=[])
    assert refused.value.code == code


FAILING: dict[str, tuple[Any, int]] = {
    "text added": ({"$add": [1, "a"]}, 14),
    "divided by zero": ({"$divide": [1, 0]}, 2),
    "size of a number": ({"$size": 1}, 17124),
    "text that is no number": ({"$toInt": "twelve"}, 241),
    "number out of range": ({"$toInt": 2.0**40}, 241),
    "no such variable": ("$$nobody", 17276),
    "joined number": ({"$concat": ["a", 1]}, 16702),
    "nothing to switch to": ({"$switch": {"branches": [{"case": False, "then": 1}]}}, 40066),
}


@pytest.mark.parametrize(("expression", "code"), FAILING.values(), ids=list(FAILING))
def test_expression_fails_as_in_mongodb(expression: Any, code: int) -> None:
    with pytest.raises(CommandError) as failed:
        value(expression)
    assert failed.value.code == code


WHOLE = {"_id": ObjectId("0" * 24), "a": 1, "b": {"c": 2, "d": 3}, "l": [{"x": 1, "y": 2}, 5, {"x": 3}]}
IDENTITY = {"_id": WHOLE["_id"]}
PROJECTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing asked": ({}, WHOLE),
    "one field": ({"a": 1}, {**IDENTITY, "a": 1}),
    "one field without the identity": ({"a": 1, "_id": 0}, {"a": 1}),
    "all but the identity": ({"_id": 0}, {key: one for key, one in WHOLE.items() if key != "_id"}),
    "identity alone": ({"_id": 1}, IDENTITY),
    "part of a document": ({"b.c": 1}, {**IDENTITY, "b": {"c": 2}}),
    "part of a document, nested": ({"b": {"c": True}}, {**IDENTITY, "b": {"c": 2}}),
    "part of the elements": ({"l.x": 1}, {**IDENTITY, "l": [{"x": 1}, {"x": 3}]}),
    "all but a part of the elements": ({"l.x": 0}, {**WHOLE, "l": [{"y": 2}, 5, {}]}),
    "missing field": ({"none": 1}, IDENTITY),
    "part of a number": ({"a.b": 1}, IDENTITY),
    "first elements": ({"l": {"$slice": 1}}, {**WHOLE, "l": [{"x": 1, "y": 2}]}),
    "last elements": ({"l": {"$slice": -1}}, {**WHOLE, "l": [{"x": 3}]}),
    "element that matches": ({"l": {"$elemMatch": {"x": 3}}}, {**IDENTITY, "l": [{"x": 3}]}),
    "computed field": ({"s": {"$add": ["$a", "$b.c"]}}, {**IDENTITY, "s": 3}),
}


@pytest.mark.parametrize(("spec", "expected"), PROJECTIONS.values(), ids=list(PROJECTIONS))
def test_projection_gives_the_wanted_part(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    assert compile_projection(spec)(WHOLE) == expected
