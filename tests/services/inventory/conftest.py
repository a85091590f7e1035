"""Inventory by itself: on SQLite with empty tables, or on each engine with tables that several tests share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lab_support.database import Backend, build_engine
from tests.services.inventory.stock_world import StockWorld
from tests.services.participating import BACKENDS, chosen_backend, lasting_engine


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StockWorld]:
    """Give Inventory with five lamps, three desks and OLD-1, which is discontinued."""
    engine = build_engine(f"sqlite:///{tmp_path / 'inventory.db'}")
    yield await StockWorld.opened(engine)
    await engine.dispose()


@pytest.fixture(scope="module", params=BACKENDS)
def lasting_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with chosen_backend(request) as backend:
        yield backend


@pytest.fixture(scope="module")
async def lasting(
    lasting_backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StockWorld]:
    """Give Inventory on each engine; a test adds the products that it needs."""
    async with lasting_engine(lasting_backend, tmp_path_factory.mktemp("inventory")) as engine:
        yield await StockWorld.opened(engine)
