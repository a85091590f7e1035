"""Documents kept in a folder: they survive a restart and a kill, and a full disk loses nothing that was promised."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, Regex
from pymongo import ASCENDING, MongoClient
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.embedded.journal import Journal


@contextmanager
def serving(folder: Path) -> Iterator[MongoClient]:
    """Serve a folder, and give a client."""
    with EmbeddedMongo(folder) as server, MongoClient(server.url, tz_aware=True) as client:
        yield client


DOCUMENT: dict[str, Any] = {
    "_id": ObjectId("0123456789ab0123456789ab"),
    "price": Decimal128("1.10"),
    "stock": Int64(3),
    "weight": 2.0,
    "since": datetime(2026, 1, 2, tzinfo=UTC),
    "pattern": Regex("^a", "i"),
    "nested": {"z": 1, "a": [None, True, b"\0"]},
}


def test_document_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        client.shop.things.insert_one(DOCUMENT)
    with serving(tmp_path) as client:
        found = client.shop.things.find_one()
        assert found == DOCUMENT
        assert [type(value) for value in found.values()] == [type(value) for value in DOCUMENT.values()]


def test_changes_and_removals_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        client.shop.things.insert_many({"_id": number, "n": 0} for number in range(4))
        client.shop.things.update_one({"_id": 1}, {"$inc": {"n": 5}})
        client.shop.things.delete_one({"_id": 2})
    with serving(tmp_path) as client:
        assert [(one["_id"], one["n"]) for one in client.shop.things.find()] == [(0, 0), (1, 5), (3, 0)]


def test_indexes_and_validators_survive_a_restart(tmp_path: Path) -> None:
    schema = {"$jsonSchema": {"required": ["sku"]}}
    with serving(tmp_path) as client:
        things = client.shop.create_collection("things", validator=schema)
        things.create_index([("sku", ASCENDING)], unique=True)
        things.insert_one({"sku": "A"})
    with serving(tmp_path) as client:
        with pytest.raises(DuplicateKeyError):
            client.shop.things.insert_one({"sku": "A"})
        with pytest.raises(OperationFailure) as refused:
            client.shop.things.insert_one({"name": "no sku"})
        assert refused.value.code == 121


def test_dropped_collection_stays_dropped(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        client.shop.things.insert_one({"_id": 1})
        client.shop.things.drop()
        client.shop.others.insert_one({"_id": 1})
    with serving(tmp_path) as client:
        assert client.shop.list_collection_names() == ["others"]
        client.shop.things.insert_one({"_id": 1})
        assert client.shop.things.count_documents({}) == 1


def test_answered_inserts_survive_a_kill(tmp_path: Path) -> None:
    script = Path(__file__).with_name("embedded_process.py")
    process = subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    answered: list[int] = []
    with process.stdout, MongoClient(process.stdout.readline().strip(), retryWrites=False) as client:
        with suppress(AutoReconnect):
            for number in range(100_000):
                client.shop.things.insert_one({"_id": number})
                answered.append(number)
                if number == 50:
                    process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with serving(tmp_path) as client:
        kept = [one["_id"] for one in client.shop.things.find()]
    assert len(answered) > 50
    assert kept[: len(answered)] == answered
    assert len(kept) <= len(answered) + 1


def fill_the_disk(server: EmbeddedMongo) -> None:
    """Leave SQLite no page more than it has."""

    async def no_more_pages() -> None:
        assert isinstance(engine.storage._journal, Journal)
        engine.storage._journal._file.execute("PRAGMA max_page_count = 1")

    engine, loop = server.engine, server._loop
    assert engine is not None
    assert loop is not None
    asyncio.run_coroutine_threadsafe(no_more_pages(), loop).result(3)


def test_write_that_the_disk_refuses_is_no_write(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path) as server, MongoClient(server.url) as client:
        client.shop.things.insert_one({"_id": 1})
        fill_the_disk(server)
        with pytest.raises(OperationFailure) as refused:
            client.shop.things.insert_many(
                [{"_id": 2}, {"_id": 3, "text": "x" * 100_000}, {"_id": 4}], ordered=False
            )
        assert refused.value.code == 14031
        assert [one["_id"] for one in client.shop.things.find()] == [1]
