"""A database of the trial service on each engine."""

from collections.abc import AsyncIterator

import pytest
from messaging_tables import create
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine on a database that has the trial service's tables."""
    built = build_engine(database_url)
    await create(built)
    yield built
    await built.dispose()
