"""The catalogue's life: server, client, validator and indexes, from its start to its end.

Section:
    13.7, "One client for one process"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from lab_support.documents.backfill import BackfillReport, Progress, backfill
from lab_support.documents.client import mongo_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.embedded.journal import StorageError
from lab_support.documents.indexes import IndexConflictError, ensure_indexes
from lab_support.documents.types import Database
from lab_support.documents.validators import apply_validator
from lab_support.services.catalog.entities import COLLECTION, INDEXES, VALIDATOR
from lab_support.services.catalog.seed import seed
from lab_support.services.catalog.upcasting import UPCASTERS
from lab_support.services.relational import StartError, data_folder
from lab_support.settings import Settings

DATABASE: Final = "catalog"
"""Used where the URL names no database."""


def owns_documents(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Give the catalogue a lifespan in which `app.state.documents` is its database.

    Args:
        settings: Where its data is; `app.state.settings` comes first, where it is set.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        told: Settings = getattr(app.state, "settings", settings)
        async with catalog_database(told) as database:
            await prepare(database)
            if told.demo_data:
                await seed(database[COLLECTION])
            app.state.documents = database
            yield

    return lifespan


@asynccontextmanager
async def catalog_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the catalogue's database: that of LAB_MONGODB_URL, else one on an embedded server.

    Raises:
        DatabaseUnreachableError: The server of the URL does not answer.
        StartError: The data folder can't be made or used, or another process uses it.
    """
    with data_folder(settings) as folder:
        if settings.mongodb_url is not None:
            async with _database_at(settings.mongodb_url.get_secret_value(), settings) as database:
                yield database
            return
        with _embedded(folder / "documents") as server:
            async with _database_at(server.url, settings) as database:
                yield database


@contextmanager
def _embedded(folder: Path) -> Iterator[EmbeddedMongo]:
    try:
        server = EmbeddedMongo(folder)
        server.start()
    except StorageError as error:
        raise StartError(f"the service 'catalog' can't use its documents: {error}") from error
    try:
        yield server
    finally:
        server.close()


@asynccontextmanager
async def _database_at(url: str, settings: Settings) -> AsyncIterator[Database]:
    async with mongo_client(url, driver=settings.mongodb_driver) as client:
        database: Any = client.get_default_database(DATABASE)
        yield database


async def prepare(database: Database) -> None:
    """Give the collection its validator and its indexes, whether it is new or full.

    Raises:
        StartError: The documents that are there break a unique index, or another index is in its place.
    """
    await apply_validator(database, COLLECTION, VALIDATOR)
    try:
        await ensure_indexes(database[COLLECTION], INDEXES)
    except IndexConflictError as error:
        raise StartError(f"the service 'catalog' can't have its indexes: {error}") from error


async def backfill_catalog(settings: Settings, progress: Progress | None = None) -> BackfillReport:
    """Bring every stored product to the current version; what `lab backfill catalog` does.

    Args:
        settings: Where the data is; the embedded server's folder must not be in use.
        progress: Told how many documents were looked at, and of how many.

    Raises:
        DatabaseUnreachableError: The server does not answer.
        StartError: The folder is in use by a running application.
    """
    async with catalog_database(settings) as database:
        await prepare(database)
        return await backfill(database[COLLECTION], UPCASTERS, progress=progress)
