"""A limit on a block's statements: the database stops what runs longer, and nothing of it stays behind."""

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from database_tables import Counter, one_counter
from sqlalchemy import exc, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from lab_support.database import Backend, build_engine, session_factory, statement_timeout, trace_sql
from lab_support.database.slow_queries import is_running, slow_query
from lab_support.pools import PoolSettings, Timeouts, Trouble, trouble_behind
from lab_support.pools.deadlines import DeadlineExceededError, deadline

SHORT_S, LONG_S, MINUTES_S = 0.15, 30.0, 120.0
OWN_LIMIT = {
    "postgresql": ("SHOW statement_timeout", "30s"),
    "mariadb": ("SELECT @@max_statement_time", 30.0),
}
ON_SERVERS = pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
ON_POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"])


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine with two connections, so that the next user gets the one that was limited."""
    built = build_engine(database_url, pool=PoolSettings(size=2, max_overflow=0, pre_ping=False))
    yield built
    await built.dispose()


async def limit_in_force(backend: str, session: AsyncSession | AsyncConnection) -> Any:
    return (await session.execute(text(OWN_LIMIT[backend][0]))).scalar()


@asynccontextmanager
async def too_slow() -> AsyncIterator[None]:
    """Expect a statement to be stopped, long before it would have ended."""
    async with asyncio.timeout(30):
        with pytest.raises(exc.DBAPIError) as caught:
            yield
    assert trouble_behind(caught.value) is Trouble.TIMED_OUT


async def too_late(session: AsyncSession) -> None:
    """Ask for something when the time for it has passed, but nobody has been cancelled yet."""
    async with deadline(0.01):
        time.sleep(0.02)
        await session.execute(text("SELECT 2"))


async def rests(engine: AsyncEngine, backend: str, mark: str, looks: Any = None) -> bool:
    """Tell whether nothing runs any more; a server may need a moment to notice."""
    if backend == "sqlite":
        before = looks.looks
        await asyncio.to_thread(time.sleep, 0.1)  # a running statement looks a hundred times meanwhile
        return bool(looks.looks == before)
    async with engine.connect() as watcher, asyncio.timeout(20):
        while await is_running(watcher, mark):
            await watcher.rollback()
            await asyncio.sleep(0.02)
    return True


async def test_slow_statement_really_stops(backend: Backend, engine: AsyncEngine) -> None:
    """The statement's session gets an error, and the database is at rest before anybody closes anything."""
    mark = secrets.token_hex(4)
    async with session_factory(engine)() as session:
        connection = await session.connection()
        looks = connection.sync_connection.info.get("deadline")
        async with too_slow(), statement_timeout(session, SHORT_S):
            await session.execute(slow_query(engine, MINUTES_S, mark=f"m{mark}"))

        assert await rests(engine, backend, f"m{mark}", looks)


async def test_session_goes_on_after_a_rollback(engine: AsyncEngine) -> None:
    """Only the transaction is lost, not the session and not its connection."""
    async with session_factory(engine)() as session:
        async with too_slow(), statement_timeout(session, SHORT_S):
            await session.execute(slow_query(engine, MINUTES_S))
        await session.rollback()

        assert await session.scalar(text("SELECT 1")) == 1


async def test_fast_statement_is_not_touched(engine: AsyncEngine) -> None:
    """A limit that is kept changes no answer."""
    async with session_factory(engine)() as session, statement_timeout(session, LONG_S):
        assert await session.scalar(text("SELECT 41 + 1")) == 42


async def test_one_connection_can_be_limited_without_a_session(engine: AsyncEngine) -> None:
    """The block takes a connection as well."""
    async with engine.connect() as connection, too_slow(), statement_timeout(connection, SHORT_S):
        await connection.execute(slow_query(engine, MINUTES_S))


async def test_shortest_of_nested_limits_wins(engine: AsyncEngine) -> None:
    """Neither an inner nor an outer block can make a limit longer."""
    async with session_factory(engine)() as session:
        for outer, inner in ((SHORT_S, LONG_S), (LONG_S, SHORT_S)):
            async with too_slow(), statement_timeout(session, outer), statement_timeout(session, inner):
                await session.execute(slow_query(engine, MINUTES_S))
            await session.rollback()


async def test_engine_limit_is_never_made_longer(database_url: str) -> None:
    """A block that asks for more than the engine allows gets what the engine allows."""
    engine = build_engine(database_url, timeouts=Timeouts(statement_s=SHORT_S))
    try:
        async with session_factory(engine)() as session, too_slow(), statement_timeout(session, LONG_S):
            await session.execute(slow_query(engine, MINUTES_S))
    finally:
        await engine.dispose()


async def test_deadline_shortens_the_limit(engine: AsyncEngine) -> None:
    """What is left of the request's time is the statement's limit, so the server stops it for nobody's sake."""
    async with session_factory(engine)() as session, deadline(LONG_S):
        with trace_sql(engine) as trace:
            async with statement_timeout(session), deadline(5.0):
                await session.execute(text("SELECT 1"))

    told = [one.sql for one in trace.events if one.sql.startswith("SET")]
    if engine.dialect.name == "postgresql":
        assert 0 < int(told[0].removeprefix("SET LOCAL statement_timeout TO ")) <= 5_000
    elif engine.dialect.name == "mysql":
        assert 0 < float(told[0].partition("max_statement_time = ")[2].split()[0]) <= 5.0


async def test_statement_is_not_begun_after_the_deadline(engine: AsyncEngine) -> None:
    """There is no point in asking for an answer that nobody waits for."""
    async with session_factory(engine)() as session:
        await session.execute(text("SELECT 1"))
        async with statement_timeout(session):
            with trace_sql(engine) as trace, pytest.raises(DeadlineExceededError):
                await too_late(session)

    assert "SELECT 2" not in [one.sql for one in trace.events]


@ON_SERVERS
async def test_next_user_of_the_connection_has_no_limit(backend: Backend, engine: AsyncEngine) -> None:
    """After success, after an error and after a cancellation the pool's connections have the engine's own limit."""
    sessions = session_factory(engine)
    async with sessions() as session, statement_timeout(session, LONG_S / 2):
        await session.execute(text("SELECT 1"))
    with pytest.raises(exc.DBAPIError):
        async with sessions() as session, statement_timeout(session, SHORT_S):
            await session.execute(slow_query(engine, MINUTES_S))
    with pytest.raises(TimeoutError):
        async with sessions() as session, statement_timeout(session, LONG_S / 2), asyncio.timeout(SHORT_S):
            await session.execute(slow_query(engine, MINUTES_S))

    async with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert await limit_in_force(backend, connection) == OWN_LIMIT[backend][1]


@ON_SERVERS
async def test_limit_is_gone_for_who_uses_the_bare_driver(backend: Backend, engine: AsyncEngine) -> None:
    """The pool's reset lifts it: it does not wait for the next statement that SQLAlchemy sends."""
    plain = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with plain.connect() as connection, statement_timeout(connection, 5):
        assert await limit_in_force(backend, connection) in ("5s", 5.0)

    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        if backend == "postgresql":
            assert await driver.fetchval(OWN_LIMIT[backend][0]) == OWN_LIMIT[backend][1]
        else:
            async with driver.cursor() as cursor:
                await cursor.execute(OWN_LIMIT[backend][0])
                assert (await cursor.fetchone())[0] == OWN_LIMIT[backend][1]


@ON_SERVERS
async def test_limit_is_lifted_within_the_transaction(backend: Backend, engine: AsyncEngine) -> None:
    """After the block the same transaction goes on as before it."""
    async with session_factory(engine)() as session:
        async with statement_timeout(session, 5):
            assert await limit_in_force(backend, session) in ("5s", 5.0)

        assert await limit_in_force(backend, session) == OWN_LIMIT[backend][1]


@ON_SERVERS
async def test_limit_outlives_a_commit_in_the_block(backend: Backend, engine: AsyncEngine) -> None:
    """The transaction ends, the block does not."""
    async with session_factory(engine)() as session, statement_timeout(session, 5):
        await session.execute(text("SELECT 1"))
        await session.commit()

        assert await limit_in_force(backend, session) in ("5s", 5.0)


@ON_SERVERS
async def test_limit_outlives_a_rollback_to_a_savepoint(backend: Backend, engine: AsyncEngine) -> None:
    """A savepoint takes SET LOCAL back; the limit is set anew."""
    async with session_factory(engine)() as session, session.begin(), statement_timeout(session, 5):
        inner = await session.begin_nested()
        await session.execute(text("SELECT 1"))
        await inner.rollback()

        assert await limit_in_force(backend, session) in ("5s", 5.0)


@ON_SERVERS
async def test_limit_does_not_come_back_with_a_savepoint(backend: Backend, engine: AsyncEngine) -> None:
    """It was set before the savepoint, lifted after it, and the rollback would set it again."""
    async with session_factory(engine)() as session, session.begin():
        async with statement_timeout(session, 5):
            await session.execute(text("SELECT 1"))
            inner = await session.begin_nested()
        await session.execute(text("SELECT 1"))
        await inner.rollback()

        assert await limit_in_force(backend, session) == OWN_LIMIT[backend][1]


@ON_SERVERS
async def test_savepoint_saves_what_was_done_before_the_slow_statement(
    backend: Backend, engine: AsyncEngine
) -> None:
    """The block within a savepoint costs only the savepoint, and the rest runs without its limit."""
    async with session_factory(engine)() as session, session.begin():
        async with too_slow(), session.begin_nested(), statement_timeout(session, SHORT_S):
            await session.execute(slow_query(engine, MINUTES_S))

        assert await limit_in_force(backend, session) == OWN_LIMIT[backend][1]


@ON_POSTGRESQL
async def test_autocommit_connection_is_limited_and_set_back(backend: Backend, engine: AsyncEngine) -> None:
    """Nothing is local where there is no transaction; the pool's reset lifts the limit."""
    automatic = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with automatic.connect() as connection:
        number = await connection.scalar(text("SELECT pg_backend_pid()"))
        async with too_slow(), statement_timeout(connection, SHORT_S):
            await connection.execute(slow_query(engine, MINUTES_S))

    async with engine.connect() as first, engine.connect() as second:
        numbers = {await one.scalar(text("SELECT pg_backend_pid()")) for one in (first, second)}
        assert number in numbers
        assert {await limit_in_force(backend, one) for one in (first, second)} == {"30s"}


@ON_SERVERS
async def test_other_sessions_of_the_task_are_not_limited(backend: Backend, engine: AsyncEngine) -> None:
    """The limit belongs to a session, not to the task."""
    sessions = session_factory(engine)
    async with sessions() as limited, sessions() as free, statement_timeout(limited, 5):
        await limited.execute(text("SELECT 1"))

        assert await limit_in_force(backend, free) == OWN_LIMIT[backend][1]


@ON_SERVERS
async def test_limit_costs_one_statement_for_many(backend: Backend, engine: AsyncEngine) -> None:
    """The server is told once, before the first statement; a block without one costs nothing."""
    async with session_factory(engine)() as session:
        with trace_sql(engine) as trace:
            async with statement_timeout(session, 5):
                for _ in range(3):
                    await session.execute(text("SELECT 1"))
            async with statement_timeout(session, 6):
                pass
        await session.rollback()

    assert sum(one.sql.startswith("SET") for one in trace.events) == 1


async def test_many_rows_are_inserted_at_once_under_a_limit(engine: AsyncEngine) -> None:
    """The statement's text is left alone, so the driver still sends a list of rows in one go."""
    await one_counter(engine)
    async with session_factory(engine)() as session, statement_timeout(session, LONG_S):
        await session.execute(insert(Counter), [{"name": f"n{number}"} for number in range(50)])
        await session.commit()
        assert await session.scalar(text("SELECT count(*) FROM counters")) == 51


@pytest.mark.parametrize("backend", ["sqlite"])
async def test_cancelled_statement_of_a_file_really_stops(backend: Backend, engine: AsyncEngine) -> None:
    """The driver's thread would run on for minutes; on an honest engine its next look ends it."""
    async with asyncio.timeout(60), engine.connect() as connection:
        looks = connection.sync_connection.info["deadline"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S):
                await connection.execute(slow_query(engine, MINUTES_S))

    assert await rests(engine, backend, "", looks)


async def test_engine_of_another_make_is_refused() -> None:
    """A limit that would be ignored is an error."""
    foreign = create_async_engine("sqlite+aiosqlite:///never-made.db")
    async with AsyncSession(foreign) as session:
        with pytest.raises(RuntimeError, match="would do nothing on this engine"):
            async with statement_timeout(session, 1):
                pytest.fail("the block must not begin")


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "1"])
async def test_limit_that_makes_no_sense_is_refused(seconds: Any) -> None:
    """Zero would mean "no limit" to the servers."""
    async with AsyncSession(build_engine("sqlite:///never-made.db")) as session:
        with pytest.raises(ValueError, match=r"time limit is .*; give a number of seconds above 0"):
            async with statement_timeout(session, seconds):
                pytest.fail("the block must not begin")


async def test_connection_that_is_not_open_is_refused() -> None:
    """The text names the missing step."""
    with pytest.raises(ValueError, match="not open"):
        async with statement_timeout(build_engine("sqlite:///never-made.db").connect(), 1):
            pytest.fail("the block must not begin")


@pytest.mark.parametrize(
    ("seconds", "mark", "said"),
    [(0, "x", "above 0"), (1, "x; DROP", "no plain word"), (1, "é", "no plain word")],
)
def test_slow_query_refuses_what_is_no_plain_word(seconds: float, mark: str, said: str) -> None:
    """The mark becomes a part of the SQL."""
    with pytest.raises(ValueError, match=said):
        slow_query(build_engine("sqlite:///never-made.db"), seconds, mark=mark)
