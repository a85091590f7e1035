"""The pool's gauges on real connections: who has one, who waits, and what became of each."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import event, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from lab_support.database import Backend, build_engine
from lab_support.pools import PoolGauges, PoolSettings, gauges_of, held_longer_than
from lab_support.pools.deadlines import DeadlineExceededError, deadline
from lab_support.pools.gauged_pool import GaugedQueuePool
from lab_support.pools.gauges import PoolMeter

GUARD_S = 20
FOR_EVER_S = 600.0


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection and one more under load."""
    engine = build_engine(
        f"sqlite:///{tmp_path / 'a.db'}", pool=PoolSettings(size=1, max_overflow=1, timeout_s=FOR_EVER_S)
    )
    yield engine
    await engine.dispose()


async def until(engine: AsyncEngine, holds: Callable[[PoolGauges], bool]) -> PoolGauges:
    async with asyncio.timeout(GUARD_S):
        while not holds(gauges := gauges_of(engine)):  # noqa: ASYNC110  (a gauge tells nobody that it moved)
            await asyncio.sleep(0)
    return gauges


async def taken(engine: AsyncEngine) -> AsyncConnection:
    connection = await engine.connect()
    await connection.execute(text("SELECT 1"))
    return connection


async def test_gauges_follow_connections_out_and_back(small: AsyncEngine) -> None:
    """Nothing is open at first; the one beyond `size` is closed when it comes back."""
    before = gauges_of(small)
    async with small.connect(), small.connect():
        during = gauges_of(small)
    after = gauges_of(small)

    assert (before.checked_out, before.idle, before.connects) == (0, 0, 0)
    assert (during.checked_out, during.idle, during.overflow, during.limit) == (2, 0, 1, 2)
    assert (after.checked_out, after.idle, after.overflow) == (0, 1, 0)
    assert (after.checkouts, after.connects, after.closes) == (2, 2, 1)


async def test_who_waits_is_seen_waiting_and_how_long(small: AsyncEngine) -> None:
    """SQLAlchemy has no event for it."""
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(small.connect())
        third = asyncio.create_task(taken(small))
        during = await until(small, lambda gauges: gauges.waiting == 1)
    await (await third).close()
    after = gauges_of(small)

    assert during.waits.count == 0
    assert (after.waiting, after.waits.count) == (0, 1)
    assert after.waits.longest_s == after.waits.total_s > 0


async def test_time_out_is_counted_once_and_says_who_has_the_connections(tmp_path: Path) -> None:
    """The longest holder is the first suspect."""
    engine = build_engine(
        f"sqlite:///{tmp_path / 'a.db'}", pool=PoolSettings(size=1, max_overflow=0, timeout_s=0.01)
    )

    async def hold() -> None:
        async with engine.connect():
            with pytest.raises(exc.TimeoutError, match=r"after 0\.\d s: all 1 .* 'place_order' has held"):
                await engine.connect()

    await asyncio.create_task(hold(), name="place_order")
    gauges = gauges_of(engine)
    await engine.dispose()

    assert (gauges.timeouts, gauges.checkouts, gauges.waiting, gauges.waits.count) == (1, 1, 0, 1)


async def test_cancelled_waiter_leaves_the_line(small: AsyncEngine) -> None:
    """And the connection it waited for goes to nobody by mistake."""
    async with small.connect(), small.connect():
        waiter = asyncio.create_task(taken(small))
        await until(small, lambda gauges: gauges.waiting == 1)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        during = gauges_of(small)

    assert (during.waiting, during.cancelled, during.checked_out) == (0, 1, 2)
    assert gauges_of(small).checked_out == 0


def engine_that(connects: Callable[[], object], folder: Path) -> AsyncEngine:
    """An engine with one connection and one more, for which something is done before each is opened."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{folder / 'a.db'}",
        poolclass=GaugedQueuePool,
        pool_size=1,
        max_overflow=1,
        pool_timeout=FOR_EVER_S,
    )

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(*_: object) -> None:
        connects()

    return engine


async def test_line_is_told_at_once_when_no_connection_can_be_opened(tmp_path: Path) -> None:
    """With SQLAlchemy's own pool those in the line would wait for their whole time: the place is free, unheard."""
    broken = asyncio.Event()

    def fail_later() -> None:
        await_only(broken.wait())
        raise ConnectionRefusedError

    engine = engine_that(fail_later, tmp_path)
    callers = [asyncio.create_task(taken(engine)) for _ in range(6)]
    await until(engine, lambda gauges: gauges.waiting == 4 and gauges.opening == 2)
    broken.set()
    async with asyncio.timeout(GUARD_S):
        results = await asyncio.gather(*callers, return_exceptions=True)
    gauges = gauges_of(engine)

    assert [type(result) for result in results] == [ConnectionRefusedError] * 6
    assert (gauges.failures, gauges.connect_errors, gauges.connects) == (6, 6, 0)
    assert (gauges.checked_out, gauges.idle, gauges.opening) == (0, 0, 0)


async def test_cancelled_opening_hands_its_place_on(tmp_path: Path) -> None:
    """The next one in the line opens a connection of its own."""
    hanging = [asyncio.Event(), asyncio.Event()]
    engine = engine_that(lambda: hanging and await_only(hanging.pop().wait()), tmp_path)
    first, second, third = (asyncio.create_task(taken(engine)) for _ in range(3))
    await until(engine, lambda gauges: gauges.waiting == 1 and gauges.opening == 2)
    first.cancel()
    async with asyncio.timeout(GUARD_S):
        await (await third).close()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    gauges = gauges_of(engine)
    await engine.dispose()

    assert (gauges.cancelled, gauges.checkouts, gauges.connects, gauges.connect_errors) == (2, 1, 1, 0)
    assert (gauges.checked_out, gauges.idle, gauges.opening) == (0, 1, 0)


async def test_pool_recovers_when_connections_can_be_opened_again(tmp_path: Path) -> None:
    """A place whose connection failed is a place still."""
    failing = [ConnectionRefusedError(), ConnectionRefusedError(), ConnectionRefusedError()]

    def fail_at_first() -> None:
        if failing:
            raise failing.pop()

    engine = engine_that(fail_at_first, tmp_path)
    results = await asyncio.gather(*(taken(engine) for _ in range(3)), return_exceptions=True)
    async with engine.connect(), engine.connect():
        during = gauges_of(engine)
    await engine.dispose()

    assert [type(result) for result in results] == [ConnectionRefusedError] * 3
    assert (during.checked_out, during.connects) == (2, 2)


async def test_connection_that_cannot_be_set_up_is_not_counted_open(small: AsyncEngine) -> None:
    """It was opened, and closed again before anybody had it."""

    @event.listens_for(small.sync_engine, "connect")
    def refuse(*_: object) -> None:
        raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        await small.connect()
    gauges = gauges_of(small)

    assert (gauges.connects, gauges.closes, gauges.failures) == (1, 1, 1)
    assert (gauges.checked_out, gauges.idle) == (0, 0)


async def test_invalidated_connection_is_replaced(small: AsyncEngine) -> None:
    """One is thrown away, one is opened for the next."""
    async with small.connect() as connection:
        await connection.invalidate()
        during = gauges_of(small)
    thrown_away = gauges_of(small)
    async with small.connect():
        pass
    after = gauges_of(small)

    assert (during.checked_out, thrown_away.checked_out, thrown_away.idle) == (0, 0, 0)
    assert (after.invalidations, after.connects, after.closes, after.recycles) == (1, 2, 1, 0)
    assert after.pre_ping_failures == 0


async def test_detached_connection_leaves_its_place_to_another(small: AsyncEngine) -> None:
    """It is nobody's but its holder's now."""
    connection = await small.connect()
    raw = await connection.get_raw_connection()
    raw.detach()
    detached = gauges_of(small)
    await connection.close()

    assert (detached.checked_out, detached.idle, detached.closes) == (0, 0, 0)
    assert gauges_of(small).closes == 1


async def test_old_connection_is_recycled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its age, without having failed."""
    engine = build_engine(f"sqlite:///{tmp_path / 'a.db'}", pool=PoolSettings(recycle_s=60))
    async with engine.connect():
        pass
    young = gauges_of(engine)
    entry = engine.pool._pool._queue._queue[0]  # type: ignore[attr-defined]
    entry.starttime -= 61
    entry.record_info["opened_at"] -= 61
    async with engine.connect():
        pass
    old = gauges_of(engine)
    await engine.dispose()

    assert (young.recycles, young.connects) == (0, 1)
    assert (old.recycles, old.connects, old.closes, old.invalidations) == (1, 2, 1, 0)


KILL = {
    "postgresql": (
        "SELECT pg_backend_pid()",
        "SELECT pg_terminate_backend({})",
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {}",
    ),
    "mariadb": (
        "SELECT connection_id()",
        "KILL {}",
        "SELECT count(*) FROM information_schema.processlist WHERE id = {}",
    ),
}


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)
async def test_pre_ping_finds_the_dead_connection(backend: Backend, database_url: str) -> None:
    """The server hung up while nobody looked; whoever comes next gets a new connection and no error."""
    engine = build_engine(database_url, pool=PoolSettings(size=2, max_overflow=0))
    ask, kill, is_alive = KILL[backend]
    async with engine.connect() as executioner:
        await executioner.execution_options(isolation_level="AUTOCOMMIT")
        async with engine.connect() as victim:
            number = await victim.scalar(text(ask))
        await executioner.execute(text(kill.format(number)))
        async with asyncio.timeout(GUARD_S):
            while await executioner.scalar(text(is_alive.format(number))):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        async with engine.connect() as next_one:
            answer = await next_one.scalar(text("SELECT 7"))
    gauges = gauges_of(engine)
    await engine.dispose()

    assert answer == 7
    assert (gauges.pre_ping_failures, gauges.invalidations, gauges.recycles) == (1, 1, 0)
    assert (gauges.connects, gauges.failures) == (3, 0)


async def test_counts_outlive_the_engine_s_disposal(small: AsyncEngine) -> None:
    """The pool is made anew, its history is not."""
    async with small.connect():
        pass
    await small.dispose()
    after = gauges_of(small)
    async with small.connect() as connection:
        await connection.invalidate()

    assert (after.checkouts, after.connects, after.closes, after.idle) == (1, 1, 1, 0)
    assert (gauges_of(small).checkouts, gauges_of(small).invalidations) == (2, 1)


async def test_connection_given_back_after_disposal_is_closed(small: AsyncEngine) -> None:
    """SQLAlchemy's own pool would keep it open in a queue that nobody reads any more."""
    late = await taken(small)
    await small.dispose()
    held = gauges_of(small).checked_out
    await late.close()
    after = gauges_of(small)

    assert held == 1
    assert (after.checked_out, after.idle, after.connects, after.closes) == (0, 0, 1, 1)


async def test_forgotten_connection_is_held_until_it_is_collected(small: AsyncEngine) -> None:
    """The garbage collector gives the place back, with a warning; the gauge knows."""
    connection = await small.connect()
    held = gauges_of(small).checked_out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del connection
        gc.collect()
    after = gauges_of(small)

    assert (held, after.checked_out, after.idle) == (1, 0, 0)


async def test_holder_is_named_with_what_it_did(tmp_path: Path) -> None:
    """Task, time and the calls that led to the checkout, across SQLAlchemy's greenlet."""
    now = [100.0]
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path / 'a.db'}",
        poolclass=GaugedQueuePool,
        meter=PoolMeter(lambda: now[0]),
        trace_checkouts=True,
    )

    async def forgets_to_close() -> AsyncConnection:
        return await engine.connect()

    leaked = await asyncio.create_task(forgets_to_close(), name="GET /orders")
    now[0] += 30
    short = await engine.connect()
    (holder,) = held_longer_than(engine, 10)
    everybody = held_longer_than(engine, -1)
    for connection in (leaked, short):
        await connection.close()
    nobody = held_longer_than(engine, -1)
    await engine.dispose()

    assert (holder.name, holder.held_s, holder.since) == ("GET /orders", 30, 100)
    assert "forgets_to_close, line" in holder.stack[-1]
    assert [one.held_s for one in everybody] == [30, 0]
    assert nobody == []


async def test_calls_are_not_kept_unless_asked_for(small: AsyncEngine) -> None:
    """Naming the task costs next to nothing, its calls some microseconds."""
    async with small.connect():
        (holder,) = held_longer_than(small, -1)

    assert holder.stack == ()


async def test_wait_ends_before_the_deadline_does(small: AsyncEngine) -> None:
    """So that the caller is told that there was no connection, and not merely cut off."""
    async with small.connect(), small.connect():
        with pytest.raises(exc.TimeoutError):
            async with deadline(0.2):
                await small.connect()

    assert gauges_of(small).timeouts == 1


async def test_deadline_that_has_passed_asks_for_no_connection(small: AsyncEngine) -> None:
    """The block is not even entered."""
    with pytest.raises(DeadlineExceededError):
        async with deadline(-1):
            await small.connect()

    assert gauges_of(small).connects == 0


async def test_pool_without_gauges_is_named() -> None:
    """With what to do about it."""
    engine = create_async_engine("sqlite+aiosqlite:///x.db", poolclass=NullPool)

    with pytest.raises(TypeError, match=r"A NullPool has no gauges\. Make the engine with build_engine"):
        gauges_of(engine)


async def test_hundred_at_once_are_all_accounted_for(tmp_path: Path) -> None:
    """Some are served, some time out, some are cancelled; the counts add up and nothing stays out."""
    engine = build_engine(
        f"sqlite:///{tmp_path / 'a.db'}", pool=PoolSettings(size=2, max_overflow=1, timeout_s=0.05)
    )

    async def work(number: int) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(work(number)) for number in range(100)]
    await until(engine, lambda gauges: gauges.waiting > 80)
    for task in tasks[::7]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    gauges = gauges_of(engine)
    await engine.dispose()

    served = sum(result is None for result in results)
    assert gauges.timeouts == sum(isinstance(result, exc.TimeoutError) for result in results) > 0
    assert gauges.checkouts >= served > 0
    assert gauges.checkouts + gauges.timeouts + gauges.cancelled == 100
    assert (gauges.checked_out, gauges.waiting, gauges.opening, gauges.failures) == (0, 0, 0, 0)
    assert gauges.connects - gauges.closes == gauges.idle <= 2
