"""One request, one session: given back whatever happens, committed by nobody but the endpoint."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from database_tables import Counter, number_of, one_counter, value_of_counter
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import Backend, get_session, trace_sql, writing_session

Sessions = async_sessionmaker[AsyncSession]
SessionOfRequest = Annotated[AsyncSession, Depends(get_session)]


class Gate:
    """Lets a test stop an endpoint between its write and its end."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()


async def first_part(session: SessionOfRequest) -> AsyncSession:
    return session


async def second_part(session: SessionOfRequest) -> AsyncSession:
    return session


def application(sessions: Sessions, gate: Gate) -> FastAPI:
    app = FastAPI()
    app.state.sessions = sessions

    @app.get("/number")
    async def number(session: SessionOfRequest) -> int:
        return await session.scalar(select(func.count()).select_from(Counter)) or 0

    @app.get("/same")
    async def same(
        one: Annotated[AsyncSession, Depends(first_part)],
        two: Annotated[AsyncSession, Depends(second_part)],
        session: SessionOfRequest,
    ) -> bool:
        return one is two is session

    @app.post("/counters/{way}")
    async def add(way: str, session: SessionOfRequest) -> str:
        session.add(Counter(name=way))
        await session.flush()
        if way == "refused":
            raise HTTPException(409)
        if way == "broken":
            raise ZeroDivisionError
        if way == "kept":
            await session.commit()
        return way

    @app.post("/slow")
    async def slow(session: SessionOfRequest) -> str:
        session.add(Counter(name="slow"))
        await session.flush()
        gate.reached.set()
        await gate.open.wait()
        await session.commit()
        return "kept"

    return app


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def client(engine: AsyncEngine, sessions: Sessions, gate: Gate) -> AsyncIterator[httpx.AsyncClient]:
    await one_counter(engine)
    transport = httpx.ASGITransport(application(sessions, gate), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as opened:
        yield opened


async def test_pool_is_full_again_after_fifty_requests_of_which_half_fail(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Refused, broken and forgotten work alike gives its connection back."""
    ways = ["kept", "refused", "broken", "forgotten", "kept"] * 10
    answers = await asyncio.gather(*(client.post(f"/counters/{way}") for way in ways))

    assert [answer.status_code for answer in answers] == [200, 409, 500, 200, 200] * 10
    assert engine.pool.checkedout() == 0


async def test_only_what_the_endpoint_commits_stays(client: httpx.AsyncClient, sessions: Sessions) -> None:
    """Neither success nor failure of the request commits anything by itself."""
    for way in ("kept", "refused", "broken", "forgotten"):
        await client.post(f"/counters/{way}")

    async with sessions() as session:
        names = await session.scalars(select(Counter.name).order_by(Counter.id))
        assert names.all() == ["clicks", "kept"]


async def test_two_dependencies_get_the_same_session(client: httpx.AsyncClient) -> None:
    """However many ask, one request has one session."""
    assert (await client.get("/same")).json() is True


async def test_request_never_sees_anothers_uncommitted_rows(client: httpx.AsyncClient, gate: Gate) -> None:
    """While one request has written and not committed, another counts without waiting for it."""
    async with asyncio.timeout(20):
        writing = asyncio.create_task(client.post("/slow"))
        await gate.reached.wait()
        during = (await client.get("/number")).json()
        gate.open.set()
        await writing

        assert (during, (await client.get("/number")).json()) == (1, 2)


async def test_cancelled_request_gives_its_connection_back_and_keeps_nothing(
    client: httpx.AsyncClient, gate: Gate, engine: AsyncEngine, sessions: Sessions
) -> None:
    """A caller that hangs up leaves no session open."""
    async with asyncio.timeout(20):
        writing = asyncio.create_task(client.post("/slow"))
        await gate.reached.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

    assert engine.pool.checkedout() == 0
    assert await number_of(sessions, Counter) == 1


@pytest.mark.parametrize("backend", ["sqlite"])
async def test_only_requests_that_may_write_begin_as_writers(
    client: httpx.AsyncClient, backend: Backend
) -> None:
    """On SQLite a GET never queues behind writers."""
    with trace_sql() as trace:
        await client.get("/number")
        await client.post("/counters/kept")

    begins = [traced.sql for traced in trace.events if traced.kind == "BEGIN"]
    assert begins == ["BEGIN", "BEGIN IMMEDIATE"]


async def test_loaded_objects_stay_readable_after_commit(engine: AsyncEngine, sessions: Sessions) -> None:
    """The factory turns expire_on_commit off, so nothing calls refresh."""
    await one_counter(engine)
    async with sessions() as session:
        counter = await session.get_one(Counter, 1)
        await session.commit()
        with trace_sql(engine) as trace:
            assert counter.name == "clicks"

    assert len(trace.statements) == 0


async def test_writers_with_row_locks_lose_no_update(engine: AsyncEngine, sessions: Sessions) -> None:
    """FOR UPDATE where rows can be locked, BEGIN IMMEDIATE where they can't: the same code counts to twenty."""
    await one_counter(engine)

    async def increment() -> None:
        async with writing_session(sessions) as session:
            counter = await session.get_one(Counter, 1, with_for_update=True)
            counter.value += 1
            await session.commit()

    await asyncio.gather(*(increment() for _ in range(20)))

    assert await value_of_counter(sessions) == 20


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_postgresql_loses_an_update_without_a_lock(
    engine: AsyncEngine, sessions: Sessions, backend: Backend
) -> None:
    """READ COMMITTED lets both write what they computed from the same old value: here races can be shown."""
    await one_counter(engine)
    async with writing_session(sessions) as first, writing_session(sessions) as second:
        seen = [(await session.get_one(Counter, 1)).value for session in (first, second)]
        for session, value in zip((first, second), seen, strict=True):
            await session.execute(update(Counter).values(value=value + 1))
            await session.commit()

    assert await value_of_counter(sessions) == 1


async def test_application_without_a_factory_is_told_what_to_do() -> None:
    """The usual cause is a lifespan that nobody ran."""
    app = FastAPI(title="Forgetful")

    @app.get("/")
    async def root(session: SessionOfRequest) -> None:
        raise AssertionError(session)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lab") as client:
        with pytest.raises(RuntimeError, match=r"'Forgetful' has no session factory.*lifespan is run"):
            await client.get("/")
