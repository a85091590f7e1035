"""Customers by itself: on SQLite with empty tables, or on each engine with tables that several tests share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lab_support.database import Backend, build_engine
from tests.services.customers.customer_world import CustomerWorld
from tests.services.participating import BACKENDS, chosen_backend, lasting_engine


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[CustomerWorld]:
    """Give Customers on empty tables, with ada, who has 100.00, and linus, who is blocked."""
    engine = build_engine(f"sqlite:///{tmp_path / 'customers.db'}")
    yield await CustomerWorld.opened(engine)
    await engine.dispose()


@pytest.fixture(scope="module", params=BACKENDS)
def lasting_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with chosen_backend(request) as backend:
        yield backend


@pytest.fixture(scope="module")
async def lasting(
    lasting_backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CustomerWorld]:
    """Give Customers on each engine; a test adds the customers that it needs."""
    async with lasting_engine(lasting_backend, tmp_path_factory.mktemp("customers")) as engine:
        yield await CustomerWorld.opened(engine)
