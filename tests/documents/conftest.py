"""Fixtures for tests of the embedded server: one for each test file, and a client on an empty database."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from lab_support.documents.embedded import EmbeddedMongo


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedMongo]:
    """Give a running server that keeps its documents in memory."""
    with EmbeddedMongo() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: EmbeddedMongo) -> Iterator[MongoClient]:
    """Give a client of that server."""
    with MongoClient(server.url, serverSelectionTimeoutMS=3000) as made:
        yield made


@pytest.fixture
def database(client: MongoClient) -> Iterator[Database]:
    """Give an empty database that is dropped afterwards."""
    made = client[f"test_{uuid4().hex}"]
    yield made
    client.drop_database(made.name)
