"""The store's tables on each engine, made once for a module; each test's transaction is rolled back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from lab_support.database import (
    Backend,
    build_engine,
    create_tables,
    scratch_database,
    session_factory,
    writing_session,
)
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.store.entities import StoreBase
from tests.conftest import missing
from tests.documents.databases import mongo_url  # noqa: F401 - a fixture


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)
def store_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Name an engine; PostgreSQL is made on the server that `tests/conftest.py` has chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgresql":
            patch.setenv("LAB_POSTGRES_URL", request.getfixturevalue("postgresql_database"))
        yield request.param


@pytest.fixture(scope="module")
async def store_engine(
    store_backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AsyncEngine]:
    """Give an engine on a database that has the store's tables."""
    async with AsyncExitStack() as opened:
        try:
            folder = tmp_path_factory.mktemp("repositories")
            url = await opened.enter_async_context(scratch_database(store_backend, folder))
        except DatabaseUnreachableError as error:
            missing(str(error))
        engine = build_engine(url)
        opened.push_async_callback(engine.dispose)
        await create_tables(engine, StoreBase.metadata)
        yield engine


@pytest.fixture
async def session(store_engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """Give a session that writes; nothing in a repository may commit it, so its end leaves the tables empty."""
    async with writing_session(session_factory(store_engine)) as session:
        yield session
