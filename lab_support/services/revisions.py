"""Run a service's Alembic revisions inside a program: `lab migrate`, a lesson, a test, a deployment.

Each service has its own revisions, in its own database, with a version table there. No name of a revision is used
twice, so that a database can't be taken for another service's.

Section:
    13.9, "Migrations per service"
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lab_support.database import WRITES, build_engine, masked
from lab_support.database.urls import asynchronous
from lab_support.pools import Timeouts
from lab_support.services.relational import VERSION_TABLE

Applied = Callable[[str], None]
"""Told the name of each revision that was run."""

_working: Final = threading.Lock()
_LOOK_S: Final = 0.01
_PATIENCE_S: Final = 600.0  # for another who migrates, and for a revision that has much to copy
_TABLE_LOCK_S: Final = 5.0
_LOCK: Final = 0x6D696772  # one number per database for all who migrate
_NAMED: Final = f"GET_LOCK(CONCAT('migrate ', MD5(DATABASE())), {_PATIENCE_S:.0f})"
_WAIT_FOR_OTHERS: Final = {
    "postgresql": (
        "SET lock_timeout = 0",
        f"SELECT pg_advisory_lock({_LOCK})",
        f"SET lock_timeout = {_TABLE_LOCK_S * 1000:.0f}",
    ),
    "mysql": (f"SET SESSION lock_wait_timeout = {_TABLE_LOCK_S:.0f}", f"SELECT {_NAMED}"),
}


class StrangeTablesError(Exception):
    """A database without a revision holds tables that no revision makes; `tables` names them."""

    def __init__(self, tables: list[str]) -> None:
        super().__init__(f"no revision makes the tables {', '.join(tables)}")
        self.tables = tables


async def upgrade(
    service: str, url: str | URL, revision: str = "head", *, applied: Applied | None = None
) -> None:
    """Bring a service's database up to a revision; every row stays.

    Where the engine allows it (SQLite, PostgreSQL) all happens or nothing; MariaDB commits after each statement. Of
    several that run at once one works, and the others wait and find it done.

    Args:
        service: Such as "orders".
        url: Its database.
        revision: Such as "orders_0001", or "head" for the newest.
        applied: Told of each revision that was run.

    Raises:
        alembic.util.CommandError: There is no such revision, or the database is at an unknown one.
        DatabaseUnreachableError: The database does not answer.
    """
    await _run(service, url, lambda config: command.upgrade(config, revision), applied)


async def downgrade(service: str, url: str | URL, revision: str) -> None:
    """Bring a database down to an earlier revision, as `upgrade` does; "base" removes the tables."""
    await _run(service, url, lambda config: command.downgrade(config, revision), None)


async def stamp(service: str, url: str | URL, revision: str) -> None:
    """Write down that a database is at a revision, and change nothing else."""
    await _run(service, url, lambda config: command.stamp(config, revision), None)


async def adopt(service: str, url: str | URL) -> str | None:
    """Find out at which revision a database is that was made without revisions, and write it down.

    The newest revision all of whose marks are there is it: its module names tables and columns as `MARKS`.

    Returns:
        The revision; None when there is nothing to adopt: no tables yet, or revisions were run already.

    Raises:
        StrangeTablesError: There are tables, and they are no service's own of any revision.
        DatabaseUnreachableError: The database does not answer.
    """
    script = _script(service)

    def look(connection: Connection) -> str | None:
        there = things_in(connection)
        if not there or VERSION_TABLE in there:
            return None
        for one in script.walk_revisions():
            if set(one.module.MARKS) <= there:
                MigrationContext.configure(connection).stamp(script, one.revision)
                return one.revision
        raise StrangeTablesError(sorted(name for name in there if "." not in name))

    async with _alone(url) as connection, connection.begin():
        return await connection.run_sync(look)


async def current_revision(url: str | URL) -> str | None:
    """Tell at which revision a database is; None when none was ever run or stamped."""
    engine = build_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(revision_in)
    finally:
        await engine.dispose()


def revision_in(connection: Connection) -> str | None:
    """Tell at which revision the database of a connection is; None without one."""
    return MigrationContext.configure(connection).get_current_revision()


def head_of(service: str) -> str:
    """Name a service's newest revision."""
    return str(_script(service).get_current_head())


def revisions_of(service: str) -> list[str]:
    """Name a service's revisions, oldest first."""
    return [one.revision for one in _script(service).walk_revisions()][::-1]


def unknown_revision(service: str, url: str | URL, revision: str) -> str:
    """Say that a database is at a revision that a service's code does not have."""
    return (
        f"{masked(url)} is at revision {revision}, which the code of '{service}' does not know: it is another "
        f"service's, or newer code made it. This code goes up to {head_of(service)}."
    )


def things_in(connection: Connection) -> set[str]:
    """Name the tables of a database, and its columns as `table.column`."""
    found = inspect(connection)
    tables = found.get_table_names()
    return {*tables, *(f"{name}.{one['name']}" for name in tables for one in found.get_columns(name))}


def migrating_engine(url: str | URL, *, timeouts: Timeouts | None = None) -> AsyncEngine:
    """Build an engine whose transactions may write, and whose SQLite connections don't act on foreign keys.

    SQLite changes a table by making a new one and dropping the old one. With foreign keys on, dropping is deleting: the
    rows that refer to it would go along. Whoever migrates checks the keys before the commit.
    """
    engine = build_engine(url, timeouts=timeouts)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def ignore_foreign_keys(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.close()

    return engine.execution_options(**WRITES)


async def _run(service: str, url: str | URL, work: Callable[[Config], None], applied: Applied | None) -> None:
    config = _config(service)

    def told(*, step: Any, **_: Any) -> None:
        if applied is not None:
            applied(str(step.up_revision_id))

    def on(connection: Connection) -> None:
        config.attributes["connection"] = connection
        config.attributes["applied"] = told
        work(config)

    async with _one_at_a_time(), _alone(url) as connection:
        await connection.run_sync(on)


def _config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", f"lab_support.services.{service}:migrations")
    config.set_main_option("path_separator", "space")
    return config


def _script(service: str) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(service))


@asynccontextmanager
async def _one_at_a_time() -> AsyncIterator[None]:
    """Let one migration of this process work, whichever thread and event loop it is in: Alembic's `op` is global."""
    while not _working.acquire(blocking=False):  # noqa: ASYNC110  (the other may be in another loop)
        await asyncio.sleep(_LOOK_S)
    try:
        yield
    finally:
        _working.release()


@asynccontextmanager
async def _alone(url: str | URL) -> AsyncIterator[AsyncConnection]:
    """Connect, and keep others who migrate this database waiting until the end.

    On SQLite a transaction that will write does so by itself.
    """
    engine = migrating_engine(url, timeouts=_timeouts(url))
    try:
        async with engine.connect() as connection:
            for statement in _WAIT_FOR_OTHERS.get(engine.dialect.name, ()):
                await connection.execute(text(statement))
            await connection.rollback()  # the lock stays as long as the connection
            yield connection
    finally:
        await engine.dispose()


def _timeouts(url: str | URL) -> Timeouts:
    """Be patient with another who migrates, but don't make a queue behind a table that is in use."""
    on_file = asynchronous(url).get_backend_name() == "sqlite"
    return Timeouts(statement_s=_PATIENCE_S, lock_s=_PATIENCE_S if on_file else _TABLE_LOCK_S)
