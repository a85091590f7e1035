"""A thousand requests at once on a pool of five: each is served or told to come again, none hangs, nothing leaks."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from lab_support.database import Backend, build_engine, session_factory, writing_session
from lab_support.pools import PoolSettings, Timeouts, gauges_of
from lab_support.pools.deadline_middleware import DeadlineMiddleware
from lab_support.pools.deadlines import DEADLINE_HEADER
from lab_support.services.web import new_app

REQUESTS = 1000
DEADLINE_MS = 60_000
GUARD_S = 100


def counting(app: FastAPI) -> None:
    """Add a route that reads, and one that writes."""

    @app.get("/count")
    async def read() -> int:
        async with app.state.sessions() as session:
            return int(await session.scalar(text("SELECT n FROM counter")))

    @app.post("/count", status_code=201)
    async def write() -> None:
        async with writing_session(app.state.sessions) as session:
            await session.execute(text("UPDATE counter SET n = n + 1"))
            await session.commit()


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def test_thousand_requests_are_answered_by_a_pool_of_five(backend: Backend, database_url: str) -> None:
    """Whoever finds no connection in time gets 503 with Retry-After; what got 201 is kept, and nothing else."""
    engine = build_engine(
        database_url, pool=PoolSettings(size=5, max_overflow=0, timeout_s=1.0), timeouts=Timeouts(lock_s=60)
    )
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    async with AsyncExitStack() as held:  # else a busy machine may be too slow to open any in time
        for _ in range(5):
            await held.enter_async_context(engine.connect())
    app = new_app("counting", None)  # type: ignore[arg-type]
    app.add_middleware(DeadlineMiddleware)
    app.state.sessions = session_factory(engine)
    counting(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {DEADLINE_HEADER: str(DEADLINE_MS)}
    async with (
        asyncio.timeout(GUARD_S),
        httpx.AsyncClient(transport=transport, base_url="http://lab", headers=headers) as client,
    ):
        answers = await asyncio.gather(
            *(client.request("GET" if number % 4 else "POST", "/count") for number in range(REQUESTS))
        )
        gauges = gauges_of(engine)
        served_again = await client.get("/count")
    await engine.dispose()

    statuses = Counter(answer.status_code for answer in answers)
    refused = [answer for answer in answers if answer.status_code == 503]
    assert statuses.keys() <= {200, 201, 503}
    assert 0 < statuses[200] + statuses[201] == REQUESTS - len(refused)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert gauges.timeouts == len(refused)
    assert (gauges.checked_out, gauges.waiting, gauges.opening, gauges.failures) == (0, 0, 0, 0)
    assert gauges.connects - gauges.closes == gauges.idle <= 5
    assert (served_again.status_code, served_again.json()) == (200, statuses[201])
