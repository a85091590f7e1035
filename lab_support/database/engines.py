"""Engines: one call from a URL to an asynchronous engine with a bounded pool and time limits that hold.

Nothing connects here; the first query does, and a database that cannot be reached then says so in one line.

Section:
    13.1, "The engine"; 13.10, "The four timeouts"
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Dialect, Engine, MetaData, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from lab_support.database import mariadb, sqlite
from lab_support.database.statement_limits import install_statement_limits
from lab_support.database.urls import asynchronous, cannot_connect
from lab_support.pools.gauged_pool import GaugedQueuePool
from lab_support.pools.settings import PoolSettings, Timeouts


def build_engine(
    url: str | URL, *, pool: PoolSettings | None = None, timeouts: Timeouts | None = None
) -> AsyncEngine:
    """Build an engine; it opens its first connection at its first query.

    On SQLite a transaction begins as a reader. Work that will write asks for the writer's place at once with
    `execution_options=WRITES` (see `database.sqlite`), so that it waits instead of failing half-way.

    Args:
        url: `sqlite`, `postgresql`, `mysql` or `mariadb`; a missing driver's name is added.
        pool: Connections kept, extra, and the seconds to wait for one.
        timeouts: Seconds for connecting, for a statement, for a lock.

    Raises:
        DatabaseUrlError: The URL is unusable; the text masks its secrets.
    """
    target = asynchronous(url)
    pool, timeouts = pool or PoolSettings(), timeouts or Timeouts()
    engine = create_async_engine(
        target,
        poolclass=GaugedQueuePool,
        trace_checkouts=pool.trace_checkouts,
        pool_size=pool.size,
        max_overflow=pool.max_overflow,
        pool_timeout=pool.timeout_s,
        pool_recycle=-1 if pool.recycle_s is None else pool.recycle_s,
        pool_pre_ping=pool.pre_ping,
        connect_args=_connect_arguments(target.get_backend_name(), timeouts),
        hide_parameters=True,
    )
    if target.get_backend_name() == "sqlite":
        sqlite.make_honest(engine.sync_engine, timeouts)
        engine.dialect.do_ping = _ping_file  # type: ignore[assignment,method-assign]
    elif target.get_backend_name() == "postgresql":
        engine.dialect.do_ping = _ping_postgres  # type: ignore[assignment,method-assign]
    install_statement_limits(engine.sync_engine, timeouts)
    _explain_failed_connections(engine.sync_engine)
    return engine


async def create_tables(engine: AsyncEngine, metadata: MetaData) -> None:
    """Create the tables that are missing, in one transaction where the engine allows it.

    Raises:
        DatabaseUnreachableError: There is no connection to create them with.
    """
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


async def check_connection(engine: AsyncEngine) -> None:
    """Ask the database for one sign of life.

    Raises:
        DatabaseUnreachableError: It gave none.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


def _ping_file(_connection: Any) -> bool:
    """Ask nothing, for a file does not hang up; but fail at once where no statement could be awaited.

    A connection that was handed out there could not be reset either, and SQLAlchemy would log that at length.
    """
    await_only(_nothing())
    return True


async def _nothing() -> None:
    """Come back at once."""


def _ping_postgres(connection: Any) -> bool:
    """Ask for a sign of life with one round trip; SQLAlchemy's own ping takes three, with a transaction around it."""
    try:
        await_only(connection.driver_connection.fetchrow(";"))
    except Exception as error:
        connection._handle_exception(error)  # noqa: SLF001  (turns it into SQLAlchemy's)
    return True


def _connect_arguments(backend: str, timeouts: Timeouts) -> dict[str, Any]:
    statement_ms, lock_ms = int(timeouts.statement_s * 1000), int(timeouts.lock_s * 1000)
    if backend == "sqlite":
        return sqlite.connect_arguments(timeouts)
    if backend == "postgresql":
        limits = {"statement_timeout": str(statement_ms), "lock_timeout": str(lock_ms), "timezone": "UTC"}
        return {"timeout": timeouts.connect_s, "server_settings": limits}
    return mariadb.connect_arguments(timeouts)


def _explain_failed_connections(engine: Engine) -> None:
    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _entry: ConnectionPoolEntry, args: Any, named: Any) -> Any:
        try:
            return dialect.connect(*args, **named)
        except Exception as error:
            raise cannot_connect(engine.url, error) from error
