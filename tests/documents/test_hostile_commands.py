"""Commands with arguments that no driver would send: each is answered, and never with an internal error."""

import asyncio
from contextlib import suppress
from datetime import datetime
from itertools import product
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab_support.documents.embedded.commands.registry import COMMANDS
from lab_support.documents.embedded.engine import Engine
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import compile_expression

NEW_YEAR = datetime(2026, 1, 1)  # noqa: DTZ001 (BSON's dates come without a zone)

NAMES = ["a", "b", "a.b", "_id", "", "$", "$a", "a.", "things", "cursor", "batchSize", "key", "name", "path"]
OPERATORS = [
    "$match", "$project", "$group", "$sort", "$limit", "$skip", "$unwind", "$count", "$facet", "$lookup", "$set",
    "$replaceRoot", "$sample", "$unset", "$sum", "$add", "$size", "$filter", "$map", "$cond", "$toInt", "$convert",
    "$arrayElemAt", "$mergeObjects", "$slice", "$elemMatch", "$switch", "$let", "$round", "$mod", "$objectToArray",
    "$divide", "$concat", "$substrCP", "$toDate", "$reduce", "$in", "$subtract", "$getField", "$arrayToObject",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(["", "a", "$a", "$$ROOT", "$$this", "$", "$$", "*", "things", "a.b", "-1"]),
    st.sampled_from(
        [Decimal128("NaN"), Decimal128("1.5"), Decimal128("1E+6000"), ObjectId("0" * 24), Regex("a("), b"x"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES + OPERATORS), inner, max_size=3),
    ),
    max_leaves=8,
)
STAGES = st.lists(st.dictionaries(st.sampled_from(OPERATORS), VALUES, min_size=1, max_size=1), max_size=3)
STORED = [
    {"_id": 1, "a": 1, "b": [1, "x", None, {"a": 2}]},
    {"_id": 2, "a": {"b": Decimal128("NaN")}, "b": []},
    {"_id": 3, "a": "text", "b": {"a": [[1]]}},
]
KEYS = sorted({key for command in COMMANDS.values() for key in command.keys if key != "*"})
RUNNABLE = sorted(set(COMMANDS) - {"drop", "dropDatabase"})
ODD: list[Any] = [
    None, True, 0, -1, Int64(2**63 - 1), 1.5, float("nan"), float("inf"), 1e300, "", "a", "$none", "a.b", "$.",
    Decimal128("1.5"), Decimal128("sNaN"), Decimal128("9E+6144"), NEW_YEAR, [], [{}], [None], [["a", 1]], {},
    {"a": 1}, {"$a": 1}, {"": 1}, {"a": {"$x": 1}}, {"a": -1}, {"a.b": 1, "a": 1}, ObjectId("0" * 24), Regex("a"),
    b"x", Binary(b"a", 4), Timestamp(1, 1), MinKey(), MaxKey(), Code("a"),
]  # fmt: skip
STAGES_WITH_KEYS: dict[str, dict[str, Any]] = {
    "$match": {"a": 1},
    "$project": {"a": 1, "b.c": 1},
    "$set": {"a": 1, "b.c": 1},
    "$unset": {},
    "$group": {"_id": "$a", "n": {"$sum": "$b"}},
    "$sort": {"a": 1, "b": -1},
    "$limit": {},
    "$skip": {},
    "$unwind": {"path": "$b", "includeArrayIndex": "n", "preserveNullAndEmptyArrays": True},
    "$count": {},
    "$sortByCount": {},
    "$replaceRoot": {"newRoot": {}},
    "$replaceWith": {},
    "$sample": {"size": 1},
    "$facet": {"a": []},
    "$lookup": {"from": "things", "as": "x", "localField": "a", "foreignField": "b", "pipeline": []},
}
OPERATORS_OF_EXPRESSIONS = [name for name in OPERATORS if name not in STAGES_WITH_KEYS]


def answers(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """Run commands on a new engine that holds a few documents."""

    async def run() -> list[dict[str, Any]]:
        engine = Engine()
        connection = engine.connect()
        for body in ({"insert": "things", "documents": STORED, "$db": "shop"}, *bodies):
            reply = await engine.answer(connection, body)
            assert reply is not None
            found.append(reply)
        return found[1:]

    found: list[dict[str, Any]] = []
    return asyncio.run(run())


USUAL: dict[str, dict[str, Any]] = {
    "distinct": {"key": "a"},
    "aggregate": {"pipeline": [], "cursor": {}},
    "insert": {"documents": [{}]},
    "update": {"updates": [{"q": {}, "u": {"$set": {"a": 1}}}]},
    "delete": {"deletes": [{"q": {"x": 1}, "limit": 1}]},
    "findAndModify": {"update": {"$set": {"z": 1}}},
    "createIndexes": {"indexes": [{"key": {"a": 1}, "name": "a_1"}]},
    "dropIndexes": {"index": "a_1"},
    "getMore": {"collection": "things"},
    "configureFailPoint": {"mode": "off"},
}


@pytest.mark.parametrize("name", RUNNABLE)
def test_odd_value_of_any_argument_is_answered(name: str) -> None:
    database = "admin" if COMMANDS[name].admin_only else "shop"
    usual = USUAL.get(name, {})
    bodies: list[dict[str, Any]] = [{name: odd, **usual, "$db": database} for odd in ODD]
    for key in [*COMMANDS[name].keys, "maxTimeMS", "comment", "lsid", "$db"]:
        bodies += [{name: "things", **usual, "$db": database, key: odd} for odd in ODD]
    assert [reply for reply in answers(*bodies) if reply.get("code") == 1] == []


@pytest.mark.parametrize(
    ("name", "entries", "usual"),
    [
        (
            "update",
            "updates",
            {"q": {}, "u": {"$set": {"a": 1}}, "multi": False, "upsert": True, "hint": None},
        ),
        ("delete", "deletes", {"q": {}, "limit": 0, "hint": None}),
        ("createIndexes", "indexes", {"key": {"q": 1}, "name": "q_1", "unique": False, "sparse": False}),
        ("createIndexes", "indexes", {"key": {"q": 1}, "name": "q_1", "partialFilterExpression": {}}),
    ],
    ids=["update", "delete", "index", "partial index"],
)
def test_odd_value_in_any_entry_is_answered(name: str, entries: str, usual: dict[str, Any]) -> None:
    bodies = [{name: "things", entries: [{**usual, key: odd}], "$db": "shop"} for key in usual for odd in ODD]
    assert [reply for reply in answers(*bodies) if reply.get("code") == 1] == []


@pytest.mark.parametrize("stage", STAGES_WITH_KEYS)
def test_odd_argument_of_any_stage_is_answered(stage: str) -> None:
    usual = STAGES_WITH_KEYS[stage]
    arguments = [*ODD, *({**usual, key: odd} for key in usual for odd in ODD)]
    bodies = [
        {"aggregate": "things", "pipeline": [{stage: one}], "cursor": {}, "$db": "shop"} for one in arguments
    ]
    assert [reply for reply in answers(*bodies) if reply.get("code") == 1] == []


def test_odd_arguments_of_any_expression_are_refused_or_computed() -> None:
    compile_expression({"$literal": 1})
    for name in OPERATORS_OF_EXPRESSIONS:
        for arguments in (*product(ODD), *product(ODD, ODD), *product(ODD[::4], ODD[1::4], ODD[2::4])):
            with suppress(CommandError):
                compile_expression({name: list(arguments)})({})


@settings(deadline=None)
@given(STAGES)
@example([{"$sort": {"a": 1}}, {"$group": {"_id": "$a", "n": {"$sum": "$b"}}}])
def test_any_pipeline_gets_an_answer_of_ours(stages: list[dict[str, Any]]) -> None:
    [reply] = answers({"aggregate": "things", "pipeline": stages, "cursor": {}, "$db": "shop"})
    assert reply.get("code") != 1, reply


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_any_projection_gets_an_answer_of_ours(projection: dict[str, Any]) -> None:
    [reply] = answers({"find": "things", "projection": projection, "$db": "shop"})
    assert reply.get("code") != 1, reply


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["key", "name", "unique", "sparse", "partialFilterExpression"]), VALUES)
)
def test_any_index_gets_an_answer_of_ours(index: dict[str, Any]) -> None:
    [reply] = answers({"createIndexes": "things", "indexes": [index], "$db": "shop"})
    assert reply.get("code") != 1, reply


@settings(deadline=None)
@given(
    VALUES,
    VALUES,
    st.dictionaries(st.sampled_from(["failCommands", "errorCode", "blockConnection", "blockTimeMS"]), VALUES),
)
def test_any_fail_point_gets_an_answer_of_ours(name: Any, mode: Any, data: dict[str, Any]) -> None:
    for point in (name, "failCommand"):
        [reply] = answers({"configureFailPoint": point, "mode": mode, "data": data, "$db": "admin"})
        assert reply.get("code") != 1, reply
