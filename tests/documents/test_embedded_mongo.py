"""The embedded server's life: start, many clients, vanished clients, close."""

import socket
import threading
import time
from pathlib import Path

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database
from pymongo.errors import CursorNotFound
from pymongo.uri_parser import parse_uri
from wire_client import command, connected, is_hung_up, read_reply

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.embedded.cursors import Cursors
from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.journal import StorageError


def wait_until_alone(server: EmbeddedMongo) -> None:
    """Wait until a server has noticed that nobody is connected, for ten seconds at most."""
    end = time.monotonic() + 10
    while server.connections:
        assert time.monotonic() < end, "the connection is still open"
        time.sleep(0.002)


def test_closed_server_leaves_no_thread_and_no_listener() -> None:
    before = threading.active_count()
    server = EmbeddedMongo().start()
    address = parse_uri(server.url)["nodelist"][0]
    with socket.create_connection(address):
        server.close()
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_server_has_no_url_before_it_starts() -> None:
    with pytest.raises(RuntimeError, match="Call start"):
        _ = EmbeddedMongo().url


def test_server_may_be_closed_twice_and_started_again() -> None:
    server = EmbeddedMongo().start()
    server.close()
    server.close()
    with server.start(), MongoClient(server.url) as client:
        assert client.admin.command("ping")["ok"] == 1.0


def test_running_server_refuses_a_second_start(server: EmbeddedMongo) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        server.start()


def test_close_hangs_up_on_a_client_in_the_middle_of_a_command() -> None:
    server = EmbeddedMongo().start()
    blocking = {"failCommands": ["count"], "blockConnection": True, "blockTimeMS": 60_000}
    with MongoClient(server.url) as client:
        client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=blocking)
    with connected(server.url) as stream:
        stream.sendall(command({"count": "things", "$db": "shop"}))
        server.close()
        assert is_hung_up(stream)


async def test_motor_and_the_asynchronous_client_share_documents(
    server: EmbeddedMongo, database: Database
) -> None:
    motor: AsyncIOMotorClient = AsyncIOMotorClient(server.url)
    try:
        made = await motor[database.name].things.insert_one({"name": "lamp"})
    finally:
        motor.close()
    async with AsyncMongoClient(server.url) as asynchronous:
        found = await asynchronous[database.name].things.find_one({"_id": made.inserted_id})
    assert found == {"_id": made.inserted_id, "name": "lamp"}


def test_hundred_connections_are_served_at_once(server: EmbeddedMongo) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        streams = [stack.enter_context(connected(server.url)) for _ in range(100)]
        for stream in streams:
            stream.sendall(command({"ping": 1, "$db": "admin"}))
        assert [read_reply(stream)["ok"] for stream in streams] == [1.0] * 100
        assert server.connections >= 100


def test_slow_command_holds_up_no_other_client(server: EmbeddedMongo, client: MongoClient) -> None:
    blocking = {"failCommands": ["count"], "blockConnection": True, "blockTimeMS": 60_000}
    client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=blocking)
    with connected(server.url) as stream:
        stream.sendall(command({"count": "things", "$db": "shop"}))
        assert client.admin.command("ping")["ok"] == 1.0


def test_blocked_command_ends_when_its_client_vanishes() -> None:
    with EmbeddedMongo() as server:
        blocking = {"failCommands": ["insert"], "blockConnection": True, "blockTimeMS": 60_000}
        with connected(server.url) as stream:
            body = {"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": blocking, "$db": "admin"}
            stream.sendall(command(body))
            read_reply(stream)
            stream.sendall(command({"insert": "things", "documents": [{"_id": 1}], "$db": "shop"}))
        wait_until_alone(server)
        with MongoClient(server.url) as client:
            assert client.shop.things.count_documents({}) == 0


def test_cursor_goes_on_over_another_connection(server: EmbeddedMongo, database: Database) -> None:
    database.things.insert_many({"_id": number} for number in range(5))
    with connected(server.url) as first:
        first.sendall(command({"find": "things", "batchSize": 2, "$db": database.name}))
        cursor = read_reply(first)["cursor"]["id"]
    with connected(server.url) as second:
        second.sendall(command({"getMore": cursor, "collection": "things", "$db": database.name}))
        rest = read_reply(second)["cursor"]
    assert ([one["_id"] for one in rest["nextBatch"]], rest["id"]) == ([2, 3, 4], 0)


def test_cursors_are_dropped_with_the_last_client() -> None:
    with EmbeddedMongo() as server:
        with connected(server.url) as stream:
            stream.sendall(
                command({"insert": "things", "documents": [{"_id": n} for n in range(9)], "$db": "shop"})
                + command({"find": "things", "batchSize": 2, "$db": "shop"})
            )
            read_reply(stream)
            cursor = read_reply(stream)["cursor"]["id"]
        wait_until_alone(server)
        with connected(server.url) as stream:
            stream.sendall(command({"getMore": cursor, "collection": "things", "$db": "shop"}))
            assert read_reply(stream)["codeName"] == "CursorNotFound"


def test_orphaned_cursor_is_dropped_while_others_are_connected() -> None:
    now = [0.0]
    cursors = Cursors(orphan_s=30.0, clock=lambda: now[0])
    number = cursors.first_batch("shop.things", iter([{"a": 1}, {"a": 2}]), 1, size=1)["id"]
    cursors.connection_gone(1, last=False)
    now[0] = 30.0
    with pytest.raises(CommandError, match="not found"):
        cursors.next_batch(number, "shop.things", 2, None)
    assert len(cursors) == 0


def test_killed_cursor_is_not_found(database: Database) -> None:
    database.things.insert_many({"_id": number} for number in range(5))
    cursor = database.things.find(batch_size=2)
    next(cursor)
    database.command("killCursors", "things", cursors=[cursor.cursor_id])
    with pytest.raises(CursorNotFound):
        list(cursor)


def test_batch_stays_below_sixteen_megabytes(database: Database) -> None:
    database.things.insert_many({"_id": number, "text": "x" * 6_000_000} for number in range(4))
    found = database.command("find", "things", batchSize=4)["cursor"]
    assert [one["_id"] for one in found["firstBatch"]] == [0, 1]


def test_second_server_on_a_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path), pytest.raises(StorageError, match="Close the other server"):
        EmbeddedMongo(tmp_path).start()


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "documents.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StorageError, match="cannot be opened"):
        EmbeddedMongo(tmp_path).start()
