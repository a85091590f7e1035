"""The store, running on each engine, and a client for it.

One database and one running application serve a module's tests on an engine; each test finds the tables empty.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import Backend, scratch_database
from lab_support.pools import DatabaseUnreachableError
from lab_support.services import create_app, running_app
from lab_support.services.store.entities import StoreBase
from lab_support.settings import Settings
from tests.conftest import missing


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)
def shop_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Name an engine; PostgreSQL is made on the server that `tests/conftest.py` has chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgresql":
            patch.setenv("LAB_POSTGRES_URL", request.getfixturevalue("postgresql_database"))
        yield request.param


@pytest.fixture(scope="module")
async def shop(
    shop_backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        try:
            folder = tmp_path_factory.mktemp("shop")
            url = await stack.enter_async_context(scratch_database(shop_backend, folder))
        except DatabaseUnreachableError as error:
            missing(str(error))
        app = create_app(Settings(database_url=SecretStr(url)), only=("store",))
        yield app, await stack.enter_async_context(running_app(app=app))


@pytest.fixture
async def store(shop: tuple[FastAPI, httpx.AsyncClient]) -> FastAPI:
    store: FastAPI = shop[0].state.services["store"]
    await empty(store.state.engine)
    return store


@pytest.fixture
async def client(shop: tuple[FastAPI, httpx.AsyncClient], store: FastAPI) -> httpx.AsyncClient:
    return shop[1]


async def empty(engine: AsyncEngine) -> None:
    """Delete every row of the store and let its ids begin at 1 again."""
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            tables = ", ".join(table.name for table in StoreBase.metadata.sorted_tables)
            await connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
            return
        for table in reversed(StoreBase.metadata.sorted_tables):
            await connection.execute(delete(table))
        if engine.dialect.name == "sqlite":
            await connection.execute(text("DELETE FROM sqlite_sequence"))
        else:
            for name in ("products", "users"):
                await connection.execute(text(f"ALTER TABLE {name} AUTO_INCREMENT = 1"))
