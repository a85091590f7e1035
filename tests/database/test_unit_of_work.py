"""The unit of work: one explicit commit or nothing, savepoints, announced events, and an isolation of its own."""

import asyncio
import contextlib

import pytest
from database_tables import Counter, Mark, number_of, one_counter, value_of_counter
from sqlalchemy import exc, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import Backend, UnitOfWork, build_engine, session_factory, trace_sql, unit_of_work
from lab_support.pools import PoolSettings

Sessions = async_sessionmaker[AsyncSession]
SERVERS = [  # SQLite has one level
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]
LEVEL = {
    "postgresql": "SELECT upper(current_setting('transaction_isolation'))",
    "mariadb": "SELECT replace(@@tx_isolation, '-', ' ')",
}
HERE = {"postgresql": "READ COMMITTED", "mariadb": "REPEATABLE READ"}


def checked_out(engine: AsyncEngine) -> int:
    return int(engine.pool.checkedout())  # type: ignore[attr-defined]


async def increment(uow: UnitOfWork, by: int = 1) -> None:
    await uow.session.execute(update(Counter).values(value=Counter.value + by))


async def test_commit_keeps_everything(engine: AsyncEngine, sessions: Sessions) -> None:
    """What was done before the commit is there afterwards, and the connection is back."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow:
        await increment(uow)
        uow.session.add(Mark(counter_id=1))
        await uow.commit()

    assert (await value_of_counter(sessions), await number_of(sessions, Mark)) == (1, 1)
    assert checked_out(engine) == 0


async def test_leaving_without_commit_keeps_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    """A flush is not a commit: forgetting the commit rolls back."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow:
        await increment(uow)
        uow.session.add(Mark(counter_id=1))
        await uow.flush()

    assert (await value_of_counter(sessions), await number_of(sessions, Mark)) == (0, 0)
    assert checked_out(engine) == 0


async def test_error_comes_out_unchanged_and_keeps_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    """The block neither hides nor wraps an error."""
    await one_counter(engine)
    mine = LookupError("no such product")

    async def work() -> None:
        async with unit_of_work(sessions) as uow:
            await increment(uow)
            raise mine

    with pytest.raises(LookupError) as caught:
        await work()

    assert caught.value is mine
    assert await value_of_counter(sessions) == 0
    assert checked_out(engine) == 0


async def test_cancelled_task_keeps_nothing_and_returns_its_connection(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """A task cancelled between two statements leaves no row, no lock and no connection behind."""
    await one_counter(engine)
    halfway = asyncio.Event()

    async def work() -> None:
        async with unit_of_work(sessions) as uow:
            await increment(uow)
            halfway.set()
            await asyncio.Event().wait()
            await uow.commit()

    task = asyncio.create_task(work())
    async with asyncio.timeout(10):
        await halfway.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with unit_of_work(sessions) as uow:  # would wait for a lock that was left behind
            await increment(uow, by=10)
            await uow.commit()

    assert await value_of_counter(sessions) == 10
    assert checked_out(engine) == 0


async def test_unit_of_work_adds_no_statement(
    backend: Backend, engine: AsyncEngine, sessions: Sessions
) -> None:
    """Only BEGIN and COMMIT surround the statements; unused, it sends nothing; on SQLite it begins as a writer."""
    await one_counter(engine)
    with trace_sql(engine) as trace:
        async with unit_of_work(sessions):
            pass
        async with unit_of_work(sessions) as uow:
            await increment(uow)
            await uow.commit()

    assert [event.kind for event in trace.events] == ["BEGIN", "SQL", "COMMIT"]
    assert trace.events[0].sql == ("BEGIN IMMEDIATE" if backend == "sqlite" else "BEGIN")


async def test_unit_of_work_can_commit_twice(engine: AsyncEngine, sessions: Sessions) -> None:
    """A long import may commit in portions; what follows the last commit is dropped."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow:
        for _ in range(2):
            await increment(uow)
            await uow.commit()
        await increment(uow, by=100)

    assert await value_of_counter(sessions) == 2


async def test_ended_unit_of_work_refuses_to_go_on(engine: AsyncEngine, sessions: Sessions) -> None:
    """Kept beyond its block it fails, instead of taking a connection that nobody will give back."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow:
        pass

    with pytest.raises(exc.InvalidRequestError, match="closed"):
        await increment(uow)
    with pytest.raises(exc.InvalidRequestError, match="closed"):
        await uow.commit()
    assert checked_out(engine) == 0


async def test_broken_savepoint_loses_only_itself(engine: AsyncEngine, sessions: Sessions) -> None:
    """A row that breaks a rule inside a savepoint goes; what came before and after stays."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow:
        uow.session.add(Mark(id=1, counter_id=1))
        uow.announce("first")
        with contextlib.suppress(exc.IntegrityError):
            async with uow.savepoint():
                uow.announce("never happened")
                await uow.session.execute(Mark.__table__.insert().values(id=1, counter_id=1))
                pytest.fail("Two marks have one id.")
        async with uow.savepoint():
            uow.session.add(Mark(id=2, counter_id=1))
            uow.announce("second")
        assert uow.announced == ["first", "second"]
        await uow.commit()

    async with sessions() as session:
        assert list(await session.scalars(select(Mark.id).order_by(Mark.id))) == [1, 2]


async def test_savepoint_at_the_very_beginning_obeys_the_outer_rollback(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """A released savepoint is no commit, also where no statement came before it."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow, uow.savepoint():
        await increment(uow)

    assert await value_of_counter(sessions) == 0


async def test_hook_writes_what_was_announced_in_the_same_transaction(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """Hooks run in their order at the commit, see every event, and their rows are kept with the change."""
    await one_counter(engine)
    ran: list[str] = []

    async def outbox(uow: UnitOfWork) -> None:
        ran.append("outbox")
        uow.session.add_all(Mark(counter_id=event) for event in uow.announced)

    async def second(_: UnitOfWork) -> None:
        ran.append("second")

    async with unit_of_work(sessions) as uow:
        uow.before_commit(outbox)
        uow.before_commit(second)
        await increment(uow)
        uow.announce(1)
        with trace_sql(engine) as trace:
            await uow.commit()
        assert uow.announced == []

    assert ran == ["outbox", "second"]
    assert [event.kind for event in trace.events] == ["SQL", "COMMIT"]
    assert (await value_of_counter(sessions), await number_of(sessions, Mark)) == (1, 1)


async def test_error_in_a_hook_rolls_back(engine: AsyncEngine, sessions: Sessions) -> None:
    """Rows and events are gone at once, even when the caller survives the error and commits again."""
    await one_counter(engine)
    failures = [OSError("the outbox is full")]

    async def hook(_: UnitOfWork) -> None:
        if failures:
            raise failures.pop()

    async with unit_of_work(sessions) as uow:
        uow.before_commit(hook)
        await increment(uow)
        uow.announce("changed")
        with pytest.raises(OSError, match="outbox is full"):
            await uow.commit()
        assert uow.announced == []
        await uow.commit()

    assert await value_of_counter(sessions) == 0
    assert checked_out(engine) == 0


async def test_failed_flush_at_commit_leaves_a_usable_unit_of_work(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """After a commit that broke a rule, the next one starts from nothing and works."""
    await one_counter(engine)
    async with unit_of_work(sessions) as uow:
        await increment(uow)
        uow.session.add(Mark(counter_id=404))
        with pytest.raises(exc.IntegrityError):
            await uow.commit()
        await increment(uow, by=5)
        await uow.commit()

    assert await value_of_counter(sessions) == 5


@pytest.mark.parametrize("level", ["SERIALIZABLE", "read committed", "REPEATABLE READ"])
@pytest.mark.parametrize("backend", SERVERS)
async def test_isolation_of_one_unit_of_work_does_not_leak(
    backend: Backend, database_url: str, level: str
) -> None:
    """The level holds for its unit of work; the next user of the same pooled connection has the usual one."""
    engine = build_engine(database_url, pool=PoolSettings(size=1, max_overflow=0))
    sessions = session_factory(engine)
    try:
        async with unit_of_work(sessions, isolation=level) as uow:
            assert await uow.session.scalar(text(LEVEL[backend])) == level.upper()
            await uow.commit()
        for isolation, expected in ((None, HERE[backend]), (level, level.upper()), (None, HERE[backend])):
            async with unit_of_work(sessions, isolation=isolation) as uow:
                assert await uow.session.scalar(text(LEVEL[backend])) == expected
                assert checked_out(engine) == 1
    finally:
        await engine.dispose()


async def test_autocommit_is_no_unit_of_work(sessions: Sessions) -> None:
    """A level that keeps each statement at once is refused before anything is sent."""
    with pytest.raises(ValueError, match="kept at once"):
        async with unit_of_work(sessions, isolation="autocommit"):
            pytest.fail("It was let in.")


async def test_unknown_isolation_is_named_with_the_known_ones(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """The first statement tells which levels there are, and the connection is not lost."""
    async with unit_of_work(sessions, isolation="SNAPSHOT") as uow:
        with pytest.raises(exc.ArgumentError, match="SERIALIZABLE"):
            await uow.session.execute(text("SELECT 1"))

    assert checked_out(engine) == 0


DEFERRED = [  # InnoDB checks foreign keys at once
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=pytest.mark.postgres),
]


@pytest.mark.parametrize("backend", DEFERRED)
async def test_constraint_that_speaks_at_commit_keeps_nothing(
    backend: Backend, engine: AsyncEngine, sessions: Sessions
) -> None:
    """The COMMIT itself fails; nothing is kept, and the same unit of work can do better."""
    await one_counter(engine)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE TABLE promises (id INTEGER PRIMARY KEY, counter_id INTEGER NOT NULL "
                "REFERENCES counters (id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    promise = text("INSERT INTO promises (id, counter_id) VALUES (1, 2)")
    async with unit_of_work(sessions) as uow:
        await uow.session.execute(promise)
        with pytest.raises(exc.IntegrityError):
            await uow.commit()
        await uow.session.execute(promise)
        await uow.session.execute(insert(Counter).values(id=2, name="kept"))
        await uow.commit()

    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM promises")) == 1
        assert list(await session.scalars(select(Counter.id).order_by(Counter.id))) == [1, 2]
    assert checked_out(engine) == 0
