"""Faults at every statement, at the commit and after it: all or nothing on each engine, and no connection leaked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from database_tables import Counter, Mark, number_of, one_counter
from sqlalchemy import event, exc, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import (
    InjectedError,
    SimulatedDeath,
    build_engine,
    fault,
    retry_transaction,
    session_factory,
    trace_sql,
    unit_of_work,
)
from lab_support.database.faults import How
from lab_support.pools import PoolSettings, Timeouts

Sessions = async_sessionmaker[AsyncSession]
HOWS: tuple[How, ...] = ("error", "cancel", "die")


SERVERS = [  # SQLite has one writer at a time
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine with one single connection: a leak stops the next user at once."""
    built = build_engine(
        database_url, pool=PoolSettings(size=1, max_overflow=0, timeout_s=2), timeouts=Timeouts(lock_s=3)
    )
    await one_counter(built)
    async with built.begin() as connection:
        await connection.execute(insert(Counter).values(name="purchases", value=0))
    yield built
    await built.dispose()


async def transfer(sessions: Sessions) -> None:
    """Change two rows and add one, in three statements and one commit."""
    async with unit_of_work(sessions) as uow:
        await uow.session.execute(update(Counter).where(Counter.id == 1).values(value=Counter.value - 1))
        await uow.session.execute(update(Counter).where(Counter.id == 2).values(value=Counter.value + 1))
        uow.session.add(Mark(counter_id=2))
        await uow.commit()


async def state(sessions: Sessions) -> tuple[int, int, int]:
    async with sessions() as session:
        one, two = await session.scalars(select(Counter.value).order_by(Counter.id))
    return one, two, await number_of(sessions, Mark)


async def run(work: Callable[[], Any]) -> BaseException | None:
    """Run work in a task of its own and return what it ended with."""
    done = await asyncio.gather(asyncio.create_task(work()), return_exceptions=True)
    return done[0] if isinstance(done[0], BaseException) else None


@pytest.mark.parametrize("how", HOWS)
async def test_fault_at_every_statement_keeps_nothing(
    engine: AsyncEngine, sessions: Sessions, how: How
) -> None:
    """Wherever an error, a cancellation or a death strikes, no part is kept, and the next work goes through."""
    reached = 0
    for k in count(1):
        before = await state(sessions)
        with fault(engine, after_statement=k, how=how) as injected:
            ended = await run(lambda: transfer(sessions))
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        if not injected.reached:
            break
        reached += 1
        assert type(ended) is {
            "error": InjectedError,
            "cancel": asyncio.CancelledError,
            "die": SimulatedDeath,
        }.get(how)
        assert await state(sessions) == before
        await transfer(sessions)
        assert await state(sessions) == (before[0] - 1, before[1] + 1, before[2] + 1)

    assert reached == 3


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kept", [False, True], ids=["at_commit", "after_commit"])
async def test_fault_around_the_commit_keeps_all_or_nothing(
    engine: AsyncEngine, sessions: Sessions, how: How, kept: bool
) -> None:
    """Before the COMMIT nothing is kept; after it everything is, although the caller sees a failure."""
    with fault(engine, at_commit=not kept, after_commit=kept, how=how) as injected:
        ended = await run(lambda: transfer(sessions))

    assert injected.reached
    assert ended is not None
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await state(sessions) == ((-1, 1, 1) if kept else (0, 0, 0))
    await transfer(sessions)
    assert await state(sessions) == ((-2, 2, 2) if kept else (-1, 1, 1))


@pytest.mark.parametrize("place", [1, 2, 3, "commit"])
async def test_cancellation_in_flight_keeps_all_or_nothing(
    engine: AsyncEngine, sessions: Sessions, place: int | str
) -> None:
    """A task cancelled while the driver waits for its answer leaves all or nothing, and a pool that works."""
    task: asyncio.Task[None] | None = None
    seen = count(1)

    def cancel_soon(*arguments: Any) -> None:
        at_statement = len(arguments) > 1 and not arguments[2].startswith("BEGIN") and next(seen) == place
        if task is not None and (at_statement or len(arguments) == 1):
            asyncio.get_running_loop().call_soon(task.cancel)

    name = "commit" if place == "commit" else "before_cursor_execute"
    event.listen(engine.sync_engine, name, cancel_soon)
    task = asyncio.create_task(transfer(sessions))
    async with asyncio.timeout(20):
        await asyncio.wait([task])
    event.remove(engine.sync_engine, name, cancel_soon)

    assert task.cancelled()
    after = await state(sessions)
    assert after in ([(0, 0, 0), (-1, 1, 1)] if place == "commit" else [(0, 0, 0)])
    await transfer(sessions)
    assert await state(sessions) == (after[0] - 1, after[1] + 1, after[2] + 1)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", [1, 2, 3, "commit"])
async def test_death_sends_no_clean_up(engine: AsyncEngine, sessions: Sessions, place: int | str) -> None:
    """After the cut the database hears nothing: no ROLLBACK, and no compensation by the dying code either."""

    async def with_clean_up() -> None:
        try:
            await transfer(sessions)
        except BaseException:
            with suppress(SimulatedDeath):
                await transfer(sessions)
            raise

    with trace_sql(engine) as trace:
        at = {"at_commit": True} if place == "commit" else {"after_statement": place}
        with fault(engine, how="die", **at) as injected:  # type: ignore[arg-type]
            await with_clean_up()

    assert injected.reached
    assert injected.surfaced
    assert "ROLLBACK" not in [event.kind for event in trace.events]
    assert await state(sessions) == (0, 0, 0)


@pytest.mark.parametrize("backend", SERVERS)
async def test_death_of_a_process_stops_its_other_tasks(engine: AsyncEngine, database_url: str) -> None:
    """What another task of the same process has not committed is lost with it."""
    other = build_engine(database_url, pool=PoolSettings(size=2))
    sessions = session_factory(other)
    try:
        async with unit_of_work(sessions) as uow:
            await uow.session.execute(insert(Mark).values(counter_id=2))  # no lock on counter 1
            with fault(other, after_statement=1, how="die"):
                with suppress(SimulatedDeath):
                    await transfer(sessions)
                with pytest.raises(SimulatedDeath):
                    await uow.commit()
        assert await state(session_factory(engine)) == (0, 0, 0)
    finally:
        await other.dispose()


async def test_block_ends_a_cancellation_of_its_own_task(engine: AsyncEngine, sessions: Sessions) -> None:
    """A lesson's cell goes on after the block; the task is not left half cancelled."""
    with fault(engine, after_statement=2, how="cancel") as injected:
        await transfer(sessions)
        pytest.fail("It was not cancelled.")

    task = asyncio.current_task()
    assert task is not None
    assert (injected.surfaced, task.cancelling()) == (True, 0)
    await transfer(sessions)
    assert await state(sessions) == (-1, 1, 1)


@pytest.mark.parametrize("how", HOWS)
async def test_swallowed_fault_did_not_surface(engine: AsyncEngine, sessions: Sessions, how: How) -> None:
    """Code that hides what happened is found out: reached, but not surfaced."""
    with fault(engine, after_statement=2, how=how) as injected, suppress(BaseException):
        await transfer(sessions)

    assert (injected.reached, injected.surfaced) == (True, False)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    assert await state(sessions) == (0, 0, 0)


async def test_unreached_fault_changes_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    """A fault beyond the last statement only counts; an error of the code's own comes out as it is."""
    with fault(engine, after_statement=4) as injected:
        await transfer(sessions)
    assert (injected.reached, injected.surfaced, injected.statements) == (False, False, 3)

    with pytest.raises(LookupError), fault(engine, after_statement=4, how="die"):
        raise LookupError
    assert await state(sessions) == (-1, 1, 1)


async def test_fault_strikes_once(engine: AsyncEngine, sessions: Sessions) -> None:
    """A transient error ordered at the commit is met by the first attempt only, and the retry ends right."""
    busy = exc.OperationalError("COMMIT", None, _DeadlockError())

    async def work() -> None:
        await transfer(sessions)

    with fault(engine, at_commit=True, error=busy) as injected:
        await retry_transaction(work, base_s=0)

    assert (injected.reached, injected.surfaced, injected.statements) == (True, False, 6)
    assert await state(sessions) == (-1, 1, 1)


async def test_engine_is_itself_again_after_the_block(engine: AsyncEngine, sessions: Sessions) -> None:
    """Blocks may be nested, and leave the dialect and the events as they were."""
    commit = engine.dialect.do_commit
    with (
        fault(engine, at_commit=True, how="die"),
        fault(engine, after_statement=1),
        suppress(InjectedError),
    ):
        await transfer(sessions)
    assert engine.dialect.do_commit == commit
    await transfer(sessions)
    assert await state(sessions) == (-1, 1, 1)


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"after_statement": 0},
        {"after_statement": 1, "at_commit": True},
        {"at_commit": True, "after_commit": True},
        {"at_commit": True, "how": "sleep"},
        {"at_commit": True, "how": "die", "error": OSError()},
    ],
    ids=str,
)
def test_unclear_order_is_refused(nonsense: dict[str, Any]) -> None:
    """One place, one kind of fault: anything else is told at once."""
    with pytest.raises(ValueError, match=r"[Uu]se one|Name one|counted from 1"), fault(None, **nonsense):  # type: ignore[arg-type]
        pytest.fail("It was let in.")


class _DeadlockError(Exception):
    sqlstate = "40P01"
