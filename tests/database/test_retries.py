"""Retries of a whole unit of work: what is retried, how long the waits are, and deadlocks made on purpose."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from database_tables import Counter, Mark, one_counter, value_of_counter
from sqlalchemy import exc, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import (
    Backend,
    RetriesExhaustedError,
    UnitOfWork,
    build_engine,
    is_transient,
    retry_transaction,
    session_factory,
    unit_of_work,
)
from lab_support.pools import Timeouts

Sessions = async_sessionmaker[AsyncSession]
POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)
MARIADB = pytest.param("mariadb", marks=pytest.mark.mariadb)


class DriverError(Exception):
    """What a driver raises, with the codes of a server that is not asked here."""

    def __init__(self, sqlstate: str | None = None, sqlite_errorcode: int | None = None) -> None:
        super().__init__("said the server")
        if sqlstate:
            self.sqlstate = sqlstate
        if sqlite_errorcode:
            self.sqlite_errorcode = sqlite_errorcode


def mariadb_error(number: int) -> Exception:
    pymysql = pytest.importorskip("pymysql")
    error: Exception = pymysql.err.OperationalError(number, "said the server")
    return error


def wrapped(error: Exception, kind: type[exc.DBAPIError] = exc.DBAPIError) -> exc.DBAPIError:
    return kind("UPDATE", None, error)


class Failing:
    """Work that fails so many times, always with the same error, and then gives its number of runs."""

    def __init__(self, times: int, error: BaseException) -> None:
        self.times, self.error, self.runs = times, error, 0

    async def __call__(self) -> int:
        self.runs += 1
        if self.runs <= self.times:
            raise self.error
        return self.runs


class Waits:
    """Takes the place of sleep and remembers the seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
@pytest.mark.parametrize("driver_error", [True, False])
def test_postgresql_conflicts_are_transient(state: str, driver_error: bool) -> None:
    """Serialization failure, deadlock and lock timeout may go well next time, wrapped or not."""
    error = DriverError(state)
    assert is_transient(error if driver_error else wrapped(error))


@pytest.mark.parametrize("number", [1213, 1205, 1020])
def test_mariadb_conflicts_are_transient(number: int) -> None:
    """Deadlock, lock wait timeout and "record has changed" may go well next time."""
    assert is_transient(wrapped(mariadb_error(number), exc.OperationalError))


@pytest.mark.parametrize("code", [5, 261, 517, 6, 262])
def test_busy_sqlite_is_transient(code: int) -> None:
    """BUSY, BUSY_RECOVERY, BUSY_SNAPSHOT, LOCKED and LOCKED_SHAREDCACHE may go well next time."""
    assert is_transient(wrapped(DriverError(sqlite_errorcode=code), exc.OperationalError))


@pytest.mark.parametrize(
    "error",
    [
        wrapped(DriverError("23505"), exc.IntegrityError),
        wrapped(DriverError("40001"), exc.IntegrityError),
        wrapped(DriverError(sqlite_errorcode=19), exc.IntegrityError),
        wrapped(DriverError("57014")),
        wrapped(DriverError("08006")),
        wrapped(DriverError("42P01"), exc.ProgrammingError),
        exc.TimeoutError("the pool is empty"),
        ValueError("40001"),
        TimeoutError(),
        asyncio.CancelledError(),
        RetriesExhaustedError(5),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_are_not_transient(error: BaseException) -> None:
    """A broken rule, a slow statement, a lost connection, an exhausted pool and the caller's errors are not retried."""
    assert not is_transient(error)


def test_declared_cause_counts_and_mere_context_does_not() -> None:
    """`raise X from deadlock` is the deadlock's; an error raised while one was handled is its own."""
    deadlock = wrapped(DriverError("40P01"))
    declared, handled = LookupError(), LookupError()
    declared.__cause__, handled.__context__ = deadlock, deadlock
    assert (is_transient(declared), is_transient(handled)) == (True, False)


async def test_work_is_run_again_until_it_goes_well() -> None:
    """The result of the first attempt that went well is the result."""
    work = Failing(2, wrapped(DriverError("40001")))
    assert await retry_transaction(work, base_s=0) == 3


async def test_attempts_are_bounded() -> None:
    """The last attempt's error is the cause, and its notes tell which attempt it was."""
    waits, work = Waits(), Failing(99, wrapped(DriverError("40P01")))
    with pytest.raises(RetriesExhaustedError, match=r"4 time\(s\)") as caught:
        await retry_transaction(work, attempts=4, sleep=waits)

    assert (work.runs, len(waits.seconds), caught.value.attempts) == (4, 3, 4)
    assert caught.value.__cause__ is work.error
    assert work.error.__notes__[-1].startswith("Attempt 4 of 4")


async def test_time_ends_the_attempts_too() -> None:
    """After its limit no further attempt begins: who waited for a lock in vain is told so at once."""
    work = Failing(9, wrapped(DriverError("55P03")))

    with pytest.raises(RetriesExhaustedError) as told:
        await retry_transaction(work, limit_s=0)

    assert (work.runs, told.value.attempts) == (1, 1)
    assert await retry_transaction(Failing(2, work.error), limit_s=60, base_s=0) == 3


async def test_nested_retries_do_not_multiply() -> None:
    """An outer retry does not begin anew what an inner one has given up."""
    work = Failing(99, wrapped(DriverError("40P01")))
    with pytest.raises(RetriesExhaustedError):
        await retry_transaction(lambda: retry_transaction(work, attempts=3, base_s=0), attempts=3, base_s=0)
    assert work.runs == 3


@pytest.mark.parametrize(
    "error",
    [wrapped(DriverError("23505"), exc.IntegrityError), LookupError("no product"), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
async def test_other_errors_come_out_at_once(error: BaseException) -> None:
    """What the next attempt cannot mend is raised as it is, after one run."""
    work = Failing(1, error)
    with pytest.raises(type(error)) as caught:
        await retry_transaction(work)
    assert (caught.value, work.runs) == (error, 1)


async def test_waits_double_up_to_the_cap() -> None:
    """With the largest random number, the waits are the bounds themselves."""
    waits = Waits()
    work = Failing(7, wrapped(DriverError("40001")))
    await retry_transaction(work, attempts=8, base_s=0.1, cap_s=1.0, sleep=waits, random=lambda: 1.0)
    assert waits.seconds == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])


async def test_waits_are_scattered() -> None:
    """Each wait is a random part of its bound, drawn anew: those who met do not meet again."""
    waits, draws = Waits(), iter([0.0, 0.5, 0.25])
    work = Failing(3, wrapped(DriverError("40001")))
    await retry_transaction(work, attempts=8, base_s=0.1, cap_s=1.0, sleep=waits, random=lambda: next(draws))
    assert waits.seconds == pytest.approx([0.0, 0.1, 0.1])


async def test_a_thousand_failures_do_not_overflow_the_wait() -> None:
    """The bound stays a number however many attempts are allowed."""
    waits, work = Waits(), Failing(2000, wrapped(DriverError("40001")))
    assert await retry_transaction(work, attempts=2001, sleep=waits) == 2001
    assert max(waits.seconds) <= 1.0


async def test_coroutine_is_refused() -> None:
    """A coroutine runs once, so it cannot be retried; the text says what to write."""
    coroutine = Failing(0, OSError())()
    with pytest.raises(TypeError, match="lambda"):
        await retry_transaction(coroutine)  # type: ignore[arg-type]
    coroutine.close()


@pytest.mark.parametrize("nonsense", [{"attempts": 0}, {"base_s": -1.0}, {"cap_s": float("nan")}], ids=str)
async def test_nonsense_numbers_are_refused(nonsense: dict[str, float]) -> None:
    """Bounds that mean nothing are told before the work is run."""
    work = Failing(0, OSError())
    with pytest.raises(ValueError, match="give"):
        await retry_transaction(work, **nonsense)  # type: ignore[arg-type]
    assert work.runs == 0


async def test_broken_rule_of_a_real_database_is_not_retried(engine: AsyncEngine, sessions: Sessions) -> None:
    """A duplicate id stays a duplicate: one run, and the IntegrityError itself."""
    await one_counter(engine)
    runs = count(1)

    async def work() -> None:
        next(runs)
        async with unit_of_work(sessions) as uow:
            await uow.session.execute(insert(Counter).values(id=1, name="again"))
            await uow.commit()

    with pytest.raises(exc.IntegrityError):
        await retry_transaction(work)
    assert next(runs) == 2


async def two_counters(engine: AsyncEngine) -> None:
    await one_counter(engine)
    async with engine.begin() as connection:
        await connection.execute(insert(Counter).values(id=2, name="purchases", value=0))


async def add_one(uow: UnitOfWork, counter_id: int) -> None:
    await uow.session.execute(update(Counter).where(Counter.id == counter_id).values(value=Counter.value + 1))


@pytest.mark.parametrize("backend", [POSTGRES, MARIADB])
async def test_deadlock_is_retried_and_ends_right(
    backend: Backend, engine: AsyncEngine, sessions: Sessions
) -> None:
    """Two tasks lock two rows crosswise: the server ends one, its second run goes well, nothing is lost."""
    await two_counters(engine)
    both_hold_one = asyncio.Barrier(2)
    runs = {1: 0, 2: 0}

    async def crosswise(first: int, second: int) -> None:
        runs[first] += 1
        async with unit_of_work(sessions) as uow:
            if backend == "postgresql":
                await uow.session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            await add_one(uow, first)
            if runs[first] == 1:
                await both_hold_one.wait()
            await add_one(uow, second)
            await uow.commit()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for pair in ((1, 2), (2, 1)):
            group.create_task(retry_transaction(_call(crosswise, *pair)))

    assert sum(runs.values()) == 3
    async with sessions() as session:
        assert list(await session.scalars(select(Counter.value).order_by(Counter.id))) == [2, 2]
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def _call(
    function: Callable[[int, int], Awaitable[None]], first: int, second: int
) -> Callable[[], Awaitable[None]]:
    return lambda: function(first, second)


async def read_then_write(session: AsyncSession, halfway: Callable[[], Awaitable[object]]) -> None:
    value = (await session.scalars(select(Counter.value).where(Counter.id == 1))).one()
    await halfway()
    await session.execute(update(Counter).where(Counter.id == 1).values(value=value + 1))


@pytest.mark.parametrize("backend", ["sqlite"])
async def test_busy_snapshot_is_retried_and_ends_right(
    backend: Backend, engine: AsyncEngine, sessions: Sessions
) -> None:
    """A reader that turns writer after another's commit fails at once; run again, it adds to the new value."""
    await one_counter(engine)
    errors: list[int] = []

    async def rival() -> None:
        if not errors:
            async with unit_of_work(sessions) as uow:
                await uow.session.execute(update(Counter).values(value=100))
                await uow.commit()

    async def work() -> None:
        async with sessions() as session:  # BEGIN, not BEGIN IMMEDIATE
            try:
                await read_then_write(session, rival)
            except exc.OperationalError as error:
                errors.append(getattr(error.orig, "sqlite_errorcode", 0))
                raise
            await session.commit()

    async with asyncio.timeout(4):  # less than the busy timeout: it does not wait for one
        await retry_transaction(work)
    assert errors == [sqlite3.SQLITE_BUSY_SNAPSHOT]
    assert await value_of_counter(sessions) == 101


@pytest.mark.parametrize("backend", [POSTGRES, MARIADB])
async def test_changed_snapshot_is_retried_and_ends_right(
    backend: Backend, engine: AsyncEngine, sessions: Sessions
) -> None:
    """REPEATABLE READ refuses a write over another's commit (40001; 1020): run again, it adds to the new value."""
    await one_counter(engine)
    runs = count(1)
    before: list[str] = []
    if backend == "mariadb":
        async with engine.connect() as connection:
            if await connection.scalar(text("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'")) is None:
                pytest.skip("This MariaDB has no innodb_snapshot_isolation.")
        before.append("SET SESSION innodb_snapshot_isolation = ON")

    async def work() -> None:
        run = next(runs)

        async def rival() -> None:
            if run == 1:
                async with unit_of_work(sessions) as uow:
                    await uow.session.execute(update(Counter).values(value=100))
                    await uow.commit()

        async with unit_of_work(sessions, isolation="REPEATABLE READ") as uow:
            for statement in before:
                await uow.session.execute(text(statement))
            await read_then_write(uow.session, rival)
            await uow.commit()

    await retry_transaction(work)
    assert next(runs) == 3
    assert await value_of_counter(sessions) == 101


async def test_lock_not_granted_in_time_is_retried(engine: AsyncEngine, database_url: str) -> None:
    """A waiter whose lock timeout passes is run again, and goes through once the holder is gone."""
    await one_counter(engine)
    holders = session_factory(engine)
    impatient = build_engine(database_url, timeouts=Timeouts(lock_s=0.1))
    sessions = session_factory(impatient)
    tries: list[float] = []

    async def work() -> None:
        async with unit_of_work(sessions) as uow:
            await add_one(uow, 1)
            await uow.commit()

    try:
        async with unit_of_work(holders) as holder:
            await add_one(holder, 1)

            async def sleep(seconds: float) -> None:
                tries.append(seconds)
                await holder.commit()

            await retry_transaction(work, sleep=sleep)
    finally:
        await impatient.dispose()
    assert len(tries) == 1
    assert await value_of_counter(holders) == 2


async def test_database_locked_for_good_ends_in_bounded_time(engine: AsyncEngine, database_url: str) -> None:
    """Retries give up after their attempts; nothing is half done and no connection is lost."""
    await one_counter(engine)
    impatient = build_engine(database_url, timeouts=Timeouts(lock_s=0.1))
    sessions = session_factory(impatient)

    async def work() -> None:
        async with unit_of_work(sessions) as uow:
            uow.session.add(Mark(counter_id=1))
            await add_one(uow, 1)
            await uow.commit()

    try:
        async with unit_of_work(session_factory(engine)) as holder, asyncio.timeout(20):
            await add_one(holder, 1)
            with pytest.raises(RetriesExhaustedError) as caught:
                await retry_transaction(work, attempts=2, base_s=0.01)
        assert isinstance(caught.value.__cause__, exc.DBAPIError)
        assert impatient.pool.checkedout() == 0  # type: ignore[attr-defined]
    finally:
        await impatient.dispose()
    assert await value_of_counter(session_factory(engine)) == 0


@pytest.mark.parametrize("backend", [POSTGRES])
async def test_twenty_increments_at_repeatable_read_are_exact(
    engine: AsyncEngine, sessions: Sessions, backend: Backend
) -> None:
    """Read, add and write, twenty at once: every conflict is retried, no update is lost."""
    await one_counter(engine)

    async def work() -> None:
        async with unit_of_work(sessions, isolation="REPEATABLE READ") as uow:
            await read_then_write(uow.session, lambda: asyncio.sleep(0))
            await uow.commit()

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(retry_transaction(work, attempts=100, base_s=0.005, cap_s=0.1))
    assert await value_of_counter(sessions) == 20
