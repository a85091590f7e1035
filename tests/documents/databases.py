"""A server for documents and fresh databases on it: the embedded one, or the one of LAB_MONGODB_URL."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.types import Client, Database, Driver

DRIVERS: tuple[Driver, ...] = ("motor", "pymongo")


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """Give the URL of a server that lives as long as the tests."""
    if url := os.environ.get("LAB_MONGODB_URL"):
        yield url
        return
    with EmbeddedMongo() as server:
        yield server.url


@asynccontextmanager
async def fresh_database(client: Client) -> AsyncIterator[Database]:
    """Give an empty database that is dropped at the end."""
    database: Database = client[f"test_{uuid4().hex}"]
    try:
        yield database
    finally:
        await client.drop_database(database.name)
