"""Fixtures that every test may use: a fresh database on each engine, and an engine on it.

SQLite is always there. PostgreSQL is the server of LAB_POSTGRES_URL; without that variable the one at
127.0.0.1:5432 if it lets `postgres` in, else the one in the box. MariaDB is the server of LAB_MARIADB_URL,
else root at 127.0.0.1:3306. A test whose server is missing is skipped with the reason; with
LAB_REQUIRE_SERVICES=1 it fails.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import (
    Backend,
    EmbeddedPostgres,
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
async def database_url(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Give the URL of an empty database that is gone after the test.

    A module narrows the choice with `@pytest.mark.parametrize("backend", ["postgresql"])`.
    """
    await use_server_of(backend, monkeypatch)
    async with scratch_database(backend, tmp_path) as url:
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


async def use_server_of(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the server for a test, or skip or fail it when there is none; asked once per run."""
    if backend == "sqlite":
        return
    if backend not in _chosen:
        _chosen[backend] = await _choose(backend)
    url, reason = _chosen[backend]
    if reason:
        missing(reason)
    if url:
        monkeypatch.setenv("LAB_POSTGRES_URL", url)


_chosen: dict[Backend, tuple[str | None, str | None]] = {}


async def _choose(backend: Backend) -> tuple[str | None, str | None]:
    """Return PostgreSQL's URL where it is not the default one, and why there is no server."""
    if backend == "postgresql" and "LAB_POSTGRES_URL" not in os.environ:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAB_POSTGRES_URL", LOCAL_POSTGRES)
            if await _obstacle(backend) is None:
                return LOCAL_POSTGRES, None
        if not EmbeddedPostgres.available():
            return None, "there is no PostgreSQL: none at 127.0.0.1:5432, in the box, or in LAB_POSTGRES_URL"
    return None, await _obstacle(backend)


async def _obstacle(backend: Backend) -> str | None:
    try:
        async with scratch_database(backend, Path()):
            return None
    except Exception as error:
        return f"{backend} cannot be used: {error}"
