"""The timeouts of SQLite, PostgreSQL and MariaDB, each made to happen.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from lab_support.database import WRITES, build_engine, check_connection, statement_timeout
from lab_support.database.slow_queries import slow_query
from lab_support.database.urls import asynchronous
from lab_support.pools import PoolSettings, Timeouts
from lab_support.pools.proxy import FaultProxy
from lab_support.workbook.every_timeout.rows import GUARD_S, Row, row_of, wait_for_the_end
from lab_support.workbook.every_timeout.watching import Work

_LONG_FACTOR: Final = 40  # a query that is to be stopped would run so many limits long
_SHORT_FACTOR: Final = 4  # one that nobody will stop


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cases are tried.

    Attributes:
        backend: "sqlite", "postgresql" or "mariadb".
        url: Of an empty database.
        limit_s: The limit that each case sets, in seconds.
    """

    backend: str
    url: str
    limit_s: float

    @property
    def lock_limit_s(self) -> float:
        """MariaDB counts whole seconds for locks."""
        return max(1.0, self.limit_s) if self.backend == "mariadb" else self.limit_s

    @asynccontextmanager
    async def engine(self, url: str = "", *, size: int = 2, **settings: Any) -> AsyncIterator[AsyncEngine]:
        """Give an engine of at most `size` connections; keywords of `Timeouts`, and `pool_s` for the pool."""
        pool = PoolSettings(size=size, max_overflow=0, timeout_s=settings.pop("pool_s", 10.0))
        engine = build_engine(url or self.url, pool=pool, timeouts=Timeouts(**settings))
        try:
            yield engine
        finally:
            await engine.dispose()


async def connect(place: Place) -> Row:
    """A wire that lets in and passes nothing on: the limit of connecting ends the wait."""
    async with FaultProxy(place.url) as proxy:
        proxy.stall()
        async with place.engine(proxy.through(place.url), connect_s=place.limit_s) as engine:
            waited = await wait_for_the_end(check_connection(engine))
    return await row_of(place.backend, "connect", "Timeouts.connect_s", place.limit_s, waited)


async def pool_wait(place: Place) -> Row:
    """All connections are in use: the pool itself refuses, and the database hears nothing of it."""
    async with place.engine(size=1, pool_s=place.limit_s) as engine, engine.connect():
        waited = await wait_for_the_end(check_connection(engine))
    return await row_of(place.backend, "pool wait", "pool_timeout", place.limit_s, waited)


async def statement(place: Place) -> Row:
    """The query runs too long: the server stops it."""
    async with place.engine() as engine, engine.connect() as connection:
        work = Work(engine, connection)
        query = await work.query(place.limit_s * _LONG_FACTOR)

        async def run() -> None:
            async with statement_timeout(connection, place.limit_s):
                await connection.execute(query)

        waited = await wait_for_the_end(run())
        stopped = await work.has_stopped()
    return await row_of(
        place.backend, "statement", "statement_timeout", place.limit_s, waited, stopped=stopped
    )


async def lock_wait(place: Place) -> Row:
    """Somebody else holds the lock, and does not let go."""
    limit_s = place.lock_limit_s
    async with place.engine(lock_s=limit_s) as engine, _one_row(engine):
        async with engine.connect() as first:
            await first.execution_options(**WRITES)
            await first.execute(text("UPDATE every_timeout SET n = 1"))
            async with engine.connect() as second:
                await second.execution_options(**WRITES)
                waited = await wait_for_the_end(second.execute(text("UPDATE every_timeout SET n = 2")))
                await second.rollback()
            await first.commit()
        async with engine.connect() as later:
            stopped = await later.scalar(text("SELECT n FROM every_timeout")) == 1
    return await row_of(place.backend, "lock wait", "Timeouts.lock_s", limit_s, waited, stopped=stopped)


async def around(place: Place) -> Row:
    """`asyncio.timeout` ends the waiting. Whether it ends the work is the driver's affair."""
    async with place.engine() as engine:
        return await _around(place, engine, "asyncio.timeout")


async def around_the_bare_driver(place: Place) -> Row:
    """The same on an engine of SQLAlchemy's own making: the thread that counts is not stopped."""
    engine = create_async_engine(asynchronous(place.url))
    try:
        return await _around(place, engine, "asyncio.timeout, plain engine", factor=_SHORT_FACTOR)
    finally:
        await engine.dispose()


async def execution_option(place: Place) -> Row:
    """`execution_options(timeout=…)` is found in many texts, and nothing reads it."""
    async with place.engine() as engine, engine.connect() as connection:
        query = slow_query(engine, place.limit_s * _SHORT_FACTOR)
        waited = await wait_for_the_end(connection.execute(query.execution_options(timeout=place.limit_s)))
    setting = "execution_options(timeout=…)"
    return await row_of(place.backend, "statement", setting, place.limit_s, waited, stopped=False)


async def socket(place: Place) -> Row:
    """The wire goes dead under a running query. asyncpg has a limit for that, aiomysql has none."""
    limit_s = max(1.0, place.limit_s)  # the query must have begun before it is over
    options = {"command_timeout": limit_s} if place.backend == "postgresql" else {}
    async with FaultProxy(place.url) as proxy, place.engine() as outside:
        engine = create_async_engine(make_url(proxy.through(place.url)), connect_args=options)
        work = Work(outside)
        query = await work.query(GUARD_S)

        async def run(connection: AsyncConnection) -> None:
            async with asyncio.timeout(None if options else limit_s):
                await connection.execute(query)

        try:
            async with asyncio.TaskGroup() as both, engine.connect() as connection:
                both.create_task(_stall_under(proxy, work))
                waited = await wait_for_the_end(run(connection))
                stopped = await work.has_stopped()
                await proxy.mend()
        finally:
            await work.end()
            await engine.dispose()
    setting = "command_timeout" if options else "none: asyncio.timeout"
    return await row_of(place.backend, "socket", setting, limit_s, waited, stopped=stopped)


async def _stall_under(proxy: FaultProxy, work: Work) -> None:
    await work.has_begun()
    proxy.stall()


async def _around(place: Place, engine: AsyncEngine, setting: str, factor: int = _LONG_FACTOR) -> Row:
    async with engine.connect() as connection:
        work = Work(engine, connection)
        query = await work.query(place.limit_s * factor)

        async def run() -> None:
            async with asyncio.timeout(place.limit_s):
                await connection.execute(query)

        waited = await wait_for_the_end(run())
        stopped = await work.has_stopped()
        await work.end()
    return await row_of(place.backend, "around a query", setting, place.limit_s, waited, stopped=stopped)


@asynccontextmanager
async def _one_row(engine: AsyncEngine) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE every_timeout (n INTEGER)"))
        await connection.execute(text("INSERT INTO every_timeout VALUES (0)"))
    try:
        yield
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP TABLE every_timeout"))


Case = Callable[[Place], Awaitable[Row]]
ON_A_FILE: Final[Sequence[Case]] = (
    pool_wait, statement, lock_wait, around, around_the_bare_driver, execution_option
)  # fmt: skip
ON_A_SERVER: Final[Sequence[Case]] = (
    connect, pool_wait, statement, lock_wait, socket, around, execution_option
)  # fmt: skip
