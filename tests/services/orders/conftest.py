"""Orders' tables on each engine, its use cases, and a clock that a test can turn."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import create_tables, session_factory
from lab_support.services.orders import api
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import OrdersBase
from lab_support.services.orders.seed import seed
from lab_support.services.participant import Around
from lab_support.services.web import new_app
from lab_support.settings import Settings
from tests.services.orders.taking_orders import DEADLINE_S, Clock


@pytest.fixture
async def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Give sessions on Orders' tables, with the demo price list."""
    await create_tables(engine, OrdersBase.metadata)
    made = session_factory(engine)
    await seed(made)
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """Give the application's settings; a test chooses the coordination with `indirect`."""
    return Settings(order_deadline_s=DEADLINE_S, coordination=getattr(request, "param", "choreography"))


@pytest.fixture
def desk(sessions: async_sessionmaker[AsyncSession], settings: Settings, clock: Clock) -> Desk:
    return Desk.of(sessions, settings=settings, around=Around(clock=clock, random=lambda: 0.0))


@pytest.fixture
async def orders_client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of Orders' application; it has one desk, which the test has too."""
    app: FastAPI = new_app("Orders", None)  # type: ignore[arg-type]
    app.include_router(api.router)
    api.install_errors(app)
    app.state.desk = desk
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client
