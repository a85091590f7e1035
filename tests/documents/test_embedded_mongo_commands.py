"""The embedded server's commands: the keys they accept, what they refuse, and failures on order."""

import time
from typing import Any

import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database
from pymongo.errors import AutoReconnect, ExecutionTimeout, OperationFailure

from lab_support.documents.embedded.commands.registry import COMMANDS

COMMANDS_WITH_A_COLLECTION = {
    "find": {},
    "insert": {"documents": [{}]},
    "update": {"updates": [{"q": {}, "u": {"$set": {"a": 1}}}]},
    "delete": {"deletes": [{"q": {}, "limit": 0}]},
    "findAndModify": {"remove": True},
    "count": {},
    "distinct": {"key": "a"},
    "aggregate": {"pipeline": [], "cursor": {}},
    "create": {},
    "collMod": {},
    "createIndexes": {"indexes": [{"key": {"a": 1}, "name": "a_1"}]},
}


def refusal(database: Database, body: dict[str, Any]) -> OperationFailure:
    """Run a command that fails, and give the failure."""
    with pytest.raises(OperationFailure) as refused:
        database.command(body)
    return refused.value


@pytest.mark.parametrize("name", COMMANDS_WITH_A_COLLECTION)
def test_unknown_key_of_a_command_is_refused(database: Database, name: str) -> None:
    body = {name: "things", **COMMANDS_WITH_A_COLLECTION[name], "collation": {"locale": "de"}}
    error = refusal(database, body)
    assert error.code == 238
    assert f"'collation' in the command '{name}'" in str(error)
    assert database.list_collection_names() == []


@pytest.mark.parametrize("name", ["update", "delete"])
def test_unknown_key_of_one_write_is_refused(database: Database, name: str) -> None:
    entry = {"q": {}, "u": {"$set": {"a": 1}}, "limit": 0, "collation": {}}
    wanted = {key: entry[key] for key in (("q", "u") if name == "update" else ("q", "limit"))}
    reply = database.command({name: "things", f"{name}s": [{**wanted, "collation": {"locale": "de"}}]})
    assert [error["code"] for error in reply["writeErrors"]] == [238]


@pytest.mark.parametrize("name", ["mapReduce", "shutdown", "eval", "bulkWrite", "getParameter"])
def test_unknown_command_is_told_apart(client: MongoClient, name: str) -> None:
    assert refusal(client.admin, {name: 1}).code == 59
    assert name not in COMMANDS


def test_plan_is_never_made_up(database: Database) -> None:
    assert refusal(database, {"explain": {"find": "things"}}).code == 238


def test_transaction_is_refused_as_by_a_server_on_its_own(client: MongoClient, database: Database) -> None:
    with (
        client.start_session() as session,
        pytest.raises(OperationFailure) as refused,
        session.start_transaction(),
    ):
        database.things.insert_one({}, session=session)
    assert (refused.value.code, database.things.count_documents({})) == (20, 0)


def test_change_stream_is_refused_as_by_a_server_on_its_own(database: Database) -> None:
    with pytest.raises(OperationFailure) as refused:
        database.things.watch()
    assert refused.value.code == 40573


def test_more_copies_than_one_cannot_be_promised(database: Database) -> None:
    things = database.get_collection("things", write_concern=WriteConcern(w=2))
    with pytest.raises(OperationFailure, match="not replicated"):
        things.insert_one({})


def test_admin_commands_run_on_admin_only(database: Database) -> None:
    for name in ("listDatabases", "getLog", "configureFailPoint"):
        assert refusal(database, {name: "global"}).code == 13


def test_arguments_of_a_wrong_kind_are_refused(database: Database) -> None:
    wrong: list[dict[str, Any]] = [
        {"find": 7},
        {"find": ""},
        {"find": "things", "filter": "a"},
        {"find": "things", "skip": -1},
        {"find": "things", "sort": {"a": 2}},
        {"find": "things", "sort": {"a": True}},
        {"find": "things", "batchSize": "many"},
        {"insert": "things", "documents": []},
        {"distinct": "things"},
        {"getMore": "x", "collection": "things"},
        {"killCursors": "things", "cursors": 1},
        {"aggregate": "things", "pipeline": []},
        {"aggregate": "things", "pipeline": {}, "cursor": {}},
        {"findAndModify": "things"},
        {"create": "system.things"},
        {"create": "a$b"},
    ]
    assert {refusal(database, body).code for body in wrong} <= {2, 9, 14, 16, 73}


def test_build_info_says_that_it_is_embedded(client: MongoClient) -> None:
    told = client.admin.command("buildInfo")
    assert (told["embedded"], told["version"]) == (True, "7.0.0")


def test_statistics_count_documents_and_bytes(database: Database) -> None:
    database.things.insert_many([{"_id": 1}, {"_id": 2}])
    told = database.command("dbStats")
    assert (told["collections"], told["objects"], told["dataSize"]) == (1, 2, 28)


def order(client: MongoClient, mode: Any, **data: Any) -> None:
    """Have commands fail."""
    client.admin.command(
        "configureFailPoint", "failCommand", mode=mode, data=data or {"failCommands": ["none"]}
    )


def test_ordered_failure_strikes_as_often_as_was_ordered(client: MongoClient, database: Database) -> None:
    order(client, {"times": 2}, failCommands=["count"], errorCode=8000)
    for _ in range(2):
        assert refusal(database, {"count": "things"}).code == 8000
    assert database.command("count", "things")["n"] == 0


def test_ordered_failure_ends_when_switched_off(client: MongoClient, database: Database) -> None:
    order(client, "alwaysOn", failCommands=["count"], errorCode=2)
    refusal(database, {"count": "things"})
    order(client, "off")
    assert database.command("count", "things")["n"] == 0


def test_ordered_failure_does_nothing_of_the_command(client: MongoClient, database: Database) -> None:
    order(client, {"times": 1}, failCommands=["insert"], errorCode=2)
    with pytest.raises(OperationFailure):
        database.things.insert_one({})
    assert database.things.count_documents({}) == 0


def test_ordered_hang_up_loses_the_connection(client: MongoClient, database: Database) -> None:
    order(client, {"times": 1}, failCommands=["insert"], closeConnection=True)
    with pytest.raises(AutoReconnect):
        database.things.insert_one({})
    assert database.things.count_documents({}) == 0


def test_blocked_command_ends_at_its_time_limit(client: MongoClient, database: Database) -> None:
    order(client, {"times": 1}, failCommands=["count"], blockConnection=True, blockTimeMS=60_000)
    began = time.monotonic()
    with pytest.raises(ExecutionTimeout) as late:
        database.command("count", "things", maxTimeMS=30)
    assert late.value.code == 50
    assert 0.03 <= time.monotonic() - began < 5


def test_blocked_command_goes_on_after_its_block(client: MongoClient, database: Database) -> None:
    order(client, {"times": 1}, failCommands=["count"], blockConnection=True, blockTimeMS=20)
    began = time.monotonic()
    assert database.command("count", "things")["n"] == 0
    assert time.monotonic() - began >= 0.02


def test_long_search_ends_at_its_time_limit(database: Database) -> None:
    database.things.insert_many({"n": number, "text": "x" * 50} for number in range(5000))
    with pytest.raises(ExecutionTimeout):
        list(database.things.find({"text": {"$ne": "x" * 50}}).max_time_ms(1))


def test_fail_points_that_are_not_supported_are_refused(client: MongoClient) -> None:
    admin = client.admin
    assert refusal(admin, {"configureFailPoint": "maxTimeAlwaysTimeOut", "mode": "alwaysOn"}).code == 238
    unknown = {"failCommands": ["find"], "threadName": "x"}
    assert (
        refusal(admin, {"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": unknown}).code == 238
    )
    wrong = {"configureFailPoint": "failCommand", "mode": {"times": -1}, "data": {"failCommands": ["find"]}}
    assert refusal(admin, wrong).code == 2
