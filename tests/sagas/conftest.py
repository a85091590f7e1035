"""A database of the trial service on each engine."""

from collections.abc import AsyncIterator

import pytest
from saga_tables import create
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import build_engine, session_factory


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine on a database that has the trial service's tables."""
    built = build_engine(database_url)
    await create(built)
    yield built
    await built.dispose()


@pytest.fixture
async def sqlite_sessions(sqlite_url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Give sessions on SQLite, for what does not depend on the engine."""
    built = build_engine(sqlite_url)
    await create(built)
    yield session_factory(built)
    await built.dispose()


@pytest.fixture
async def looking(engine: AsyncEngine, database_url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Give sessions on the same database that no fault and no trace on `engine` touches."""
    built = build_engine(database_url)
    yield session_factory(built)
    await built.dispose()
