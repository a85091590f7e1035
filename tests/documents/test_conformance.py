"""One suite, written from MongoDB's manual, for the embedded server and for a real one (LAB_MONGODB_URL)."""

import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, WriteError

from lab_support.documents.embedded import EmbeddedMongo
from tests.documents.conformance_of_queries import QueryConformance
from tests.documents.conformance_of_rules import RuleConformance
from tests.documents.conformance_of_writes import WriteConformance

Client = MongoClient[dict[str, Any]]


def fresh_database(client: Client) -> Iterator[Database[dict[str, Any]]]:
    """Give an empty database that is dropped afterwards."""
    name = f"conformance_{uuid4().hex}"
    try:
        yield client[name]
    finally:
        client.drop_database(name)


class Conformance(QueryConformance, WriteConformance, RuleConformance):
    """All that a server has to do."""

    @pytest.fixture
    def database(self, client: Client) -> Iterator[Database[dict[str, Any]]]:
        """Give an empty database."""
        yield from fresh_database(client)


class TestEmbeddedServer(Conformance):
    """The server in the box, and where it refuses what a real one may do."""

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls) -> Iterator[Client]:
        """Give a client of an embedded server."""
        with EmbeddedMongo() as server, MongoClient[dict[str, Any]](server.url) as client:
            yield client

    def test_transaction_is_refused_as_a_standalone_does(self, client: Client) -> None:
        """Code 20, never a transaction that is none."""
        with client.start_session() as session:
            session.start_transaction()

            with pytest.raises(OperationFailure) as caught:
                client.shop.things.insert_one({"a": 1}, session=session)

        assert caught.value.code == 20

    @pytest.mark.parametrize(
        ("stage", "code"),
        [({"$changeStream": {}}, 40573), ({"$out": "x"}, 238), ({"$frob": 1}, 40324)],
        ids=["change stream", "out", "unknown"],
    )
    def test_stage_it_lacks_is_refused(
        self, database: Database[dict[str, Any]], stage: dict[str, Any], code: int
    ) -> None:
        """Not skipped."""
        with pytest.raises(OperationFailure) as caught:
            list(database.things.aggregate([stage]))

        assert caught.value.code == code

    def test_explain_is_refused(self, database: Database[dict[str, Any]]) -> None:
        """No invented plan."""
        with pytest.raises(OperationFailure) as caught:
            database.command("explain", {"find": "things"})

        assert caught.value.code in (59, 238)

    def test_option_it_lacks_is_refused(self, database: Database[dict[str, Any]]) -> None:
        """Not ignored."""
        with pytest.raises(WriteError) as caught:
            database.things.update_one({}, {"$set": {"a": 1}}, collation={"locale": "en"})

        assert caught.value.code == 238

    def test_deep_document_is_refused(self, database: Database[dict[str, Any]]) -> None:
        """At the 100 levels that MongoDB documents; its servers bear more."""
        document: dict[str, Any] = {}
        for _ in range(101):
            document = {"a": document}

        with pytest.raises(WriteError) as caught:
            database.things.insert_one(document)

        assert caught.value.code == 15


class RealServer(Conformance):
    """The server of LAB_MONGODB_URL."""

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls) -> Iterator[Client]:
        """Give a client of the real server."""
        with MongoClient[dict[str, Any]](os.environ["LAB_MONGODB_URL"]) as client:
            yield client


if "LAB_MONGODB_URL" in os.environ:
    TestRealServer = RealServer
else:

    @pytest.mark.skip(reason="LAB_MONGODB_URL names no MongoDB server, so only the embedded one was asked")
    def test_real_server_conforms() -> None:
        """Stands for the whole suite, so that one line tells of it."""
