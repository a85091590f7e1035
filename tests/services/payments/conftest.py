"""Payments on each engine, with a provider that does what it is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine, create_tables
from lab_support.services.payments.entities import PaymentsBase
from lab_support.services.payments.simulated_provider import SimulatedProvider
from tests.services.payments.paying import Till, open_provider


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine on a database that has the tables of Payments."""
    built = build_engine(database_url)
    await create_tables(built, PaymentsBase.metadata)
    yield built
    await built.dispose()


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[SimulatedProvider]:
    async with open_provider(tmp_path) as provider:
        yield provider


@pytest.fixture
def till(engine: AsyncEngine, provider: SimulatedProvider) -> Till:
    return Till(engine, provider)
