"""Each habit of SQLite's driver that loses work, shown on the naive engine, and mended on ours."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from database_tables import Counter, Mark, TrialBase, number_of, one_counter, value_of_counter
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from lab_support.database import WRITES, DatabaseUrlError, build_engine, session_factory, writing_session
from lab_support.pools import PoolSettings, Timeouts, Trouble, trouble_behind

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def naive(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'naive.db'}")
    await one_counter(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def honest(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = build_engine(f"sqlite:///{tmp_path / 'honest.db'}", timeouts=Timeouts(lock_s=2, statement_s=1))
    await one_counter(engine)
    yield engine
    await engine.dispose()


async def test_naive_engine_loses_an_update_without_an_error(naive: AsyncEngine) -> None:
    """Both read 0 and both write 1: nobody is told."""
    sessions = session_factory(naive)
    async with sessions() as first, sessions() as second:
        seen_first = (await first.get_one(Counter, 1)).value
        seen_second = (await second.get_one(Counter, 1)).value
        await first.execute(update(Counter).values(value=seen_first + 1))
        await first.commit()
        await second.execute(update(Counter).values(value=seen_second + 1))
        await second.commit()

    assert await value_of_counter(sessions) == 1


async def test_writing_sessions_lose_no_update_of_forty(honest: AsyncEngine) -> None:
    """Writers queue at BEGIN IMMEDIATE, so each reads what the one before it wrote."""
    sessions = session_factory(honest)

    async def increment() -> None:
        async with writing_session(sessions) as session:
            counter = await session.get_one(Counter, 1)
            counter.value += 1
            await session.commit()

    await asyncio.gather(*(increment() for _ in range(40)))

    assert await value_of_counter(sessions) == 40


async def test_plain_session_is_told_when_it_read_too_early(honest: AsyncEngine) -> None:
    """A reader that turns writer on a stale snapshot fails at once, however long the busy timeout is."""
    sessions = session_factory(honest)
    async with sessions() as reader:
        await reader.get_one(Counter, 1)
        async with writing_session(sessions) as writer:
            await writer.execute(update(Counter).values(value=7))
            await writer.commit()
        async with asyncio.timeout(1.5):  # below lock_s, which is 2 s
            with pytest.raises(OperationalError, match="database is locked") as caught:
                await reader.execute(update(Counter).values(value=1))

    assert trouble_behind(caught.value) is Trouble.BUSY
    assert await value_of_counter(sessions) == 7


async def leading_savepoint_then_rollback(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        outer = await connection.begin()
        async with connection.begin_nested():
            await connection.execute(Counter.__table__.insert().values(id=2, name="ghost"))
        await outer.rollback()
    return await number_of(session_factory(engine), Counter)


async def test_leading_savepoint_survives_rollback_on_naive_engine(naive: AsyncEngine) -> None:
    """The driver sends no BEGIN before SAVEPOINT, so its release commits."""
    assert await leading_savepoint_then_rollback(naive) == 2


async def test_leading_savepoint_is_undone_by_rollback(honest: AsyncEngine) -> None:
    """An explicit BEGIN comes first, so the outer ROLLBACK undoes all."""
    assert await leading_savepoint_then_rollback(honest) == 1


async def table_made_then_rolled_back(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE extra (id INTEGER)"))
        await connection.rollback()
        names = await connection.scalars(text("SELECT name FROM sqlite_master WHERE name = 'extra'"))
        return list(names)


async def test_table_survives_rollback_on_naive_engine(naive: AsyncEngine) -> None:
    """The driver begins nothing before DDL."""
    assert await table_made_then_rolled_back(naive) == ["extra"]


async def test_table_is_undone_by_rollback(honest: AsyncEngine) -> None:
    """DDL is part of the transaction."""
    assert await table_made_then_rolled_back(honest) == []


async def test_naive_engine_takes_a_mark_of_no_counter(naive: AsyncEngine) -> None:
    """SQLite checks no foreign key unless each connection asks for it."""
    sessions = session_factory(naive)
    async with sessions() as session:
        session.add(Mark(counter_id=99))
        await session.commit()

    assert await number_of(sessions, Mark) == 1


async def test_mark_of_no_counter_is_refused(honest: AsyncEngine) -> None:
    """Foreign keys are on, on every connection."""
    async with session_factory(honest)() as session:
        session.add(Mark(counter_id=99))
        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            await session.commit()


async def test_rollback_erases_anothers_work_in_memory() -> None:
    """In memory all sessions share one connection, hence one transaction."""
    engine = create_async_engine("sqlite+aiosqlite://")
    await one_counter(engine)
    sessions = session_factory(engine)
    async with sessions() as mine, sessions() as other:
        mine.add(Counter(id=2, name="mine"))
        await mine.flush()
        await other.scalars(select(Counter.id))
        await other.rollback()
        await mine.commit()

    assert await number_of(sessions, Counter) == 1
    await engine.dispose()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite+aiosqlite:///:memory:", "sqlite:///file:x?mode=memory&cache=shared&uri=true"]
)
def test_database_in_memory_is_refused_with_the_reason(url: str) -> None:
    """The honest engine does not exist in memory."""
    with pytest.raises(DatabaseUrlError, match="erases another's work"):
        build_engine(url)


async def test_every_connection_gets_the_settings(honest: AsyncEngine) -> None:
    """WAL, synchronous NORMAL (1), foreign keys and the busy timeout hold on each of several connections."""
    questions = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    async with honest.connect() as first, honest.connect() as second:
        for connection in (first, second):
            answers = [await connection.scalar(text(f"PRAGMA {name}")) for name in questions]

            assert answers == ["wal", 1, 1, 2000]


async def test_fifteen_first_connections_open_a_new_file_together(tmp_path: Path) -> None:
    """The change to WAL needs the file alone; connections that come together wait for it."""
    engine = build_engine(f"sqlite:///{tmp_path / 'new.db'}")
    everyone_is_in = asyncio.Barrier(15)

    async def connect() -> str:
        async with engine.connect() as connection, asyncio.timeout(20):
            await everyone_is_in.wait()
            return str(await connection.scalar(text("PRAGMA journal_mode")))

    assert await asyncio.gather(*(connect() for _ in range(15))) == ["wal"] * 15
    await engine.dispose()


async def test_reader_sees_committed_rows_while_a_writer_works(honest: AsyncEngine) -> None:
    """Readers wait for nobody, and see no row that is not committed."""
    sessions = session_factory(honest)
    async with writing_session(sessions) as writer:
        await writer.execute(update(Counter).values(value=5))

        assert await value_of_counter(sessions) == 0
        await writer.commit()

    assert await value_of_counter(sessions) == 5


async def test_second_writer_gives_up_after_the_lock_timeout(tmp_path: Path) -> None:
    """It fails at its first statement, its connection goes back, and the engine still works."""
    engine = build_engine(f"sqlite:///{tmp_path / 'x.db'}", timeouts=Timeouts(lock_s=0.1))
    await one_counter(engine)
    sessions = session_factory(engine)
    async with writing_session(sessions) as first:
        await first.execute(update(Counter).values(value=1))
        async with writing_session(sessions) as second:
            with pytest.raises(OperationalError, match="database is locked"):
                await second.get(Counter, 1)
        assert engine.pool.checkedout() == 1
        await first.commit()
    async with writing_session(sessions) as third:
        assert (await third.get_one(Counter, 1)).value == 1

    assert engine.pool.checkedout() == 0
    await engine.dispose()


async def test_connection_whose_begin_failed_begins_again(tmp_path: Path) -> None:
    """After a BEGIN that met a locked database, the same connection's next statement is in a transaction."""
    engine = build_engine(f"sqlite:///{tmp_path / 'busy.db'}", timeouts=Timeouts(lock_s=0.05))
    await one_counter(engine)
    sessions = session_factory(engine)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(**WRITES)
            async with writing_session(sessions) as holder:
                await holder.execute(update(Counter).values(value=1))
                with pytest.raises(OperationalError):
                    await connection.execute(update(Counter).values(value=2))
            await connection.execute(update(Counter).values(value=3))
            await connection.rollback()
        assert await value_of_counter(sessions) == 0
    finally:
        await engine.dispose()


async def test_autocommit_option_begins_nothing_and_spoils_nothing(honest: AsyncEngine) -> None:
    """VACUUM runs outside a transaction; the connection is honest again when it comes back."""
    async with honest.connect() as connection:
        free = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await free.execute(text("VACUUM"))

    assert await leading_savepoint_then_rollback(honest) == 1


async def test_unknown_way_to_begin_is_refused(honest: AsyncEngine) -> None:
    """A typing error in the option does not silently mean DEFERRED."""
    async with session_factory(honest)(execution_options={"sqlite_begin": "IMEDIATE"}) as session:
        with pytest.raises(ValueError, match="'IMEDIATE'; use one of DEFERRED, IMMEDIATE"):
            await session.get(Counter, 1)

    assert honest.pool.checkedout() == 0


async def test_statement_is_stopped_at_its_limit(honest: AsyncEngine) -> None:
    """A query of minutes ends after a second, and its connection serves the next one."""
    endless = text(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000) "
        "SELECT sum(x) FROM n"
    )
    async with honest.connect() as connection, asyncio.timeout(20):
        with pytest.raises(OperationalError, match="interrupted") as caught:
            await connection.execute(endless)
        await connection.rollback()

        assert await connection.scalar(text("SELECT 1")) == 1
    assert trouble_behind(caught.value) is Trouble.TIMED_OUT


async def test_failed_commit_leaves_no_transaction_in_the_pool(tmp_path: Path) -> None:
    """SQLite goes on with a transaction whose COMMIT failed, and a session that is merely closed does not end it."""
    engine = build_engine(f"sqlite:///{tmp_path / 'x.db'}", pool=PoolSettings(size=1, max_overflow=0))
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE TABLE pairs (id INTEGER PRIMARY KEY, other REFERENCES pairs DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    sessions = session_factory(engine)
    async with writing_session(sessions) as session:
        await session.execute(text("INSERT INTO pairs VALUES (1, 404)"))
        with pytest.raises(IntegrityError):
            await session.commit()

    async with writing_session(sessions) as session:
        assert await session.scalar(text("SELECT count(*) FROM pairs")) == 0
    await engine.dispose()


async def test_pool_of_one_still_serves_writers_in_turn(tmp_path: Path) -> None:
    """IMMEDIATE is chosen per transaction, not per connection."""
    engine = build_engine(f"sqlite:///{tmp_path / 'x.db'}", pool=PoolSettings(size=1, max_overflow=0))
    async with engine.begin() as connection:
        await connection.run_sync(TrialBase.metadata.create_all)
    modes = []
    for options in (dict(WRITES), {}):
        async with engine.connect() as connection:
            await connection.execution_options(**options)
            await connection.execute(text("SELECT 1"))
            modes.append(await is_writer(connection.engine.url.database))

    assert modes == [True, False]
    await engine.dispose()


async def is_writer(database: str | None) -> bool:
    """Tell whether somebody holds the writer's place, by asking for it."""
    rival = build_engine(f"sqlite:///{database}", timeouts=Timeouts(lock_s=0.01))
    try:
        async with rival.connect() as connection:
            await connection.execution_options(**WRITES)
            await connection.execute(text("SELECT 1"))
    except OperationalError:
        return True
    finally:
        await rival.dispose()
    return False


async def test_closed_connection_lets_go_of_its_lock(honest: AsyncEngine) -> None:
    """A statement that was cancelled before its rows were fetched does not outlive its connection as a lock."""
    async with honest.connect() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        await driver.execute("BEGIN IMMEDIATE")
        unfinished = await driver.execute("UPDATE counters SET value = 7 RETURNING id")
        await driver.close()
        await connection.invalidate()

    async with honest.execution_options(**WRITES).begin() as connection:
        await connection.execute(update(Counter).values(value=Counter.value + 1))
    async with honest.connect() as connection:
        assert await connection.scalar(select(Counter.value)) == 1
    assert unfinished is not None
