"""SQLite's writers of one engine take turns: first come, first served, and nobody's turn is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from lab_support.database import WRITES, build_engine, is_transient, session_factory, writing_session
from lab_support.pools import (
    DeadlineExceededError,
    PoolSettings,
    Timeouts,
    Trouble,
    deadline,
    gauges_of,
    trouble_behind,
)

GUARD_S = 30
FOR_EVER_S = 600.0


async def counter_at(path: Path, lock_s: float = FOR_EVER_S) -> AsyncEngine:
    engine = build_engine(
        f"sqlite:///{path / 'a.db'}",
        pool=PoolSettings(size=20, max_overflow=0, timeout_s=FOR_EVER_S),
        timeouts=Timeouts(lock_s=lock_s),
    )
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    return engine


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = await counter_at(tmp_path)
    yield engine
    await engine.dispose()


async def count_up(engine: AsyncEngine) -> None:
    async with writing_session(session_factory(engine)) as session:
        await session.execute(text("UPDATE counter SET n = n + 1"))
        await session.commit()


async def in_line() -> None:
    """Let a task that has its connection already go as far as it can."""
    for _ in range(30):
        await asyncio.sleep(0)


async def open_all(engine: AsyncEngine, connections: int) -> None:
    """Fill the pool, so that nobody has to wait for a connection to be opened."""
    async with AsyncExitStack() as held:
        for _ in range(connections):
            await held.enter_async_context(engine.connect())


async def test_writers_write_in_the_order_in_which_they_came(engine: AsyncEngine) -> None:
    """SQLite alone would let in whoever looks at the right moment."""
    await open_all(engine, 13)

    async def writer() -> int:
        async with writing_session(session_factory(engine)) as session:
            place = await session.scalar(text("UPDATE counter SET n = n + 1 RETURNING n"))
            await session.commit()
            return int(place or 0)

    async with writing_session(session_factory(engine)) as first:
        await first.execute(text("UPDATE counter SET n = n + 1"))
        tasks = []
        for _ in range(12):
            tasks.append(asyncio.create_task(writer()))
            await in_line()
        await first.commit()
        async with asyncio.timeout(GUARD_S):
            places = await asyncio.gather(*tasks)

    assert places == list(range(2, 14))


async def test_nobody_waits_in_vain_while_the_work_flows(engine: AsyncEngine) -> None:
    """Three hundred transactions by fifty writers, through twenty connections: all are kept."""

    async def writer() -> None:
        for _ in range(6):
            await count_up(engine)

    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(*(writer() for _ in range(50)))
    async with engine.connect() as connection:
        counted = await connection.scalar(text("SELECT n FROM counter"))

    assert counted == 300
    assert gauges_of(engine).checked_out == 0


@pytest.mark.parametrize("ending", ["commit", "rollback", "close", "invalidate", "error"])
async def test_every_end_of_a_transaction_ends_the_turn(engine: AsyncEngine, ending: str) -> None:
    """The next writer gets in, however the one before went."""
    connection = await engine.connect()
    await connection.execution_options(**WRITES)
    await connection.execute(text("UPDATE counter SET n = n + 1"))
    if ending == "error":
        with pytest.raises(OperationalError):
            await connection.execute(text("SELECT nonsense"))
        await connection.rollback()
    else:
        await getattr(connection, ending)()
    async with asyncio.timeout(GUARD_S):
        await count_up(engine)
    await connection.close()


async def test_connection_that_was_kept_after_its_commit_has_no_turn(engine: AsyncEngine) -> None:
    """And gets one again for its next transaction."""
    async with engine.connect() as kept:
        await kept.execution_options(**WRITES)
        async with asyncio.timeout(GUARD_S):
            for _ in range(3):
                await kept.execute(text("UPDATE counter SET n = n + 1"))
                await kept.commit()
                await count_up(engine)
        assert await kept.scalar(text("SELECT n FROM counter")) == 6


async def test_cancelled_writer_leaves_the_line(engine: AsyncEngine) -> None:
    """Whether he waits or writes."""
    await open_all(engine, 4)
    connection = await engine.connect()
    await connection.execution_options(**WRITES)
    await connection.execute(text("UPDATE counter SET n = n + 1"))
    tasks = [asyncio.create_task(count_up(engine)) for _ in range(3)]
    await in_line()
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    await connection.close()
    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(*tasks[1:])

    assert gauges_of(engine).checked_out == 0


async def test_turn_that_does_not_come_is_a_busy_database(tmp_path: Path) -> None:
    """As SQLite says it itself: others were in the way, and it is worth another try."""
    engine = await counter_at(tmp_path, lock_s=0.05)
    async with writing_session(session_factory(engine)) as first:
        await first.execute(text("UPDATE counter SET n = n + 1"))
        with pytest.raises(OperationalError, match="database is locked") as caught:
            await count_up(engine)
        await first.commit()
    await count_up(engine)
    await engine.dispose()

    assert trouble_behind(caught.value) is Trouble.BUSY
    assert is_transient(caught.value)


async def test_turn_is_not_awaited_beyond_the_deadline(engine: AsyncEngine) -> None:
    """Whose caller has gone need not write."""
    async with writing_session(session_factory(engine)) as first:
        await first.execute(text("UPDATE counter SET n = n + 1"))
        with pytest.raises((OperationalError, DeadlineExceededError)):
            async with deadline(0.1):
                await count_up(engine)
        await first.rollback()
    async with asyncio.timeout(GUARD_S):
        await count_up(engine)


async def test_readers_stand_in_no_line(engine: AsyncEngine) -> None:
    """They read what was committed."""
    sessions: async_sessionmaker = session_factory(engine)  # type: ignore[type-arg]
    async with writing_session(sessions) as writer, sessions() as reader:
        await writer.execute(text("UPDATE counter SET n = 99"))
        async with asyncio.timeout(GUARD_S):
            seen = await reader.scalar(text("SELECT n FROM counter"))

    assert seen == 0


def test_engine_may_be_used_in_one_loop_after_the_other(tmp_path: Path) -> None:
    """A lock belongs to the loop in which somebody waited for it; the line does not."""
    engine = asyncio.run(counter_at(tmp_path))

    async def several() -> None:
        await asyncio.gather(*(count_up(engine) for _ in range(3)))
        await engine.dispose()

    async def counted() -> Any:
        async with engine.connect() as reader:
            seen = await reader.scalar(text("SELECT n FROM counter"))
        await engine.dispose()
        return seen

    asyncio.run(several())
    asyncio.run(several())
    assert asyncio.run(counted()) == 6
