"""Fixtures that every test may use: a fresh database on each engine, and an engine on it.

SQLite is always there. PostgreSQL is the server of LAB_POSTGRES_URL; without that variable the one at
127.0.0.1:5432 if it lets `postgres` in, else the one in the box. MariaDB is the server of LAB_MARIADB_URL,
else root at 127.0.0.1:3306. A test whose server is missing is skipped with the reason; with
LAB_REQUIRE_SERVICES=1 it fails.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import (
    Backend,
    build_engine,
    scratch_database,
    session_factory,
)

LOCAL_POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"


def missing(reason: str) -> None:
    """Skip the running test because a server is missing, or fail it where servers are required."""
    if os.environ.get("LAB_REQUIRE_SERVICES", "0") not in ("", "0"):
        pytest.fail(f"LAB_REQUIRE_SERVICES is set and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Name an engine; a test that uses it runs once on each."""
    name: Backend = request.param
    return name


@pytest.fixture
def database_url(backend: Backend, request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty database, emptied or gone after the test.

    A module narrows the choice with `@pytest.mark.parametrize("backend", ["postgresql"])`.
    """
    url: str = request.getfixturevalue(f"{backend}_url")
    return url


@pytest.fixture
async def sqlite_url(tmp_path: Path) -> AsyncIterator[str]:
    """Give the URL of a SQLite file."""
    async with scratch_database("sqlite", tmp_path) as url:
        yield url


@pytest.fixture
async def mariadb_url(tmp_path: Path) -> AsyncIterator[str]:
    """Give the URL of a new MariaDB database; skip or fail where there is no server."""
    if reason := await _obstacle("mariadb"):
        missing(reason)
    async with scratch_database("mariadb", tmp_path) as url:
        yield url


@pytest.fixture
async def postgresql_url(postgresql_database: str) -> AsyncIterator[str]:
    """Give the URL of an empty PostgreSQL database; making one takes a second, emptying it milliseconds."""
    yield postgresql_database
    connection = await asyncpg.connect(postgresql_database.replace("+asyncpg", ""))
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def postgresql_database(
    anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Make this run's PostgreSQL database; skip or fail where there is no server."""
    with pytest.MonkeyPatch.context() as patch:
        if "LAB_POSTGRES_URL" not in os.environ:
            patch.setenv("LAB_POSTGRES_URL", LOCAL_POSTGRES)
            if await _obstacle("postgresql"):
                patch.delenv("LAB_POSTGRES_URL")  # the one in the box
        if reason := await _obstacle("postgresql"):
            missing(reason)
        async with scratch_database("postgresql", tmp_path_factory.getbasetemp()) as url:
            yield url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an honest engine on an empty database."""
    built = build_engine(database_url)
    yield built
    await built.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Give the session factory of an empty database."""
    return session_factory(engine)


_obstacles: dict[tuple[str, str | None], str | None] = {}


async def _obstacle(backend: Backend) -> str | None:
    """Return why a server cannot be used; None when it can. Each server is asked once per run."""
    server = (backend, os.environ.get("LAB_POSTGRES_URL"))
    if server not in _obstacles:
        try:
            async with scratch_database(backend, Path()):
                _obstacles[server] = None
        except Exception as error:
            _obstacles[server] = f"{backend} cannot be used: {error}"
    return _obstacles[server]
