"""SQLite made honest: real transactions, real foreign keys, waiting writers, statements that can be stopped.

The driver's own habits lose updates without an error, let a leading SAVEPOINT survive an outer ROLLBACK and
ignore foreign keys. Here the driver is in autocommit and SQLAlchemy's `begin` event sends the BEGIN.

Section:
    13.1, "Drivers and URLs: the same cells on three databases"; 13.4, "Lost updates: first the defaults, then honestly"
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

import aiosqlite
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.pool import PoolResetState
from sqlalchemy.util import await_only

from lab_support.database.sqlite_turns import WritersLine, end_turn
from lab_support.database.statement_limits import wanted_limit
from lab_support.database.urls import cannot_connect
from lab_support.pools.settings import Timeouts

BEGIN_OPTION: Final = "sqlite_begin"
WRITES: Final[Mapping[str, str]] = MappingProxyType({BEGIN_OPTION: "IMMEDIATE"})
"""Execution options of work that will write: on SQLite it begins as a writer; other engines ignore them."""

_MODES = ("DEFERRED", "IMMEDIATE", "EXCLUSIVE")
_LONGEST_GOODBYE_S = 2.0
_STEPS_BETWEEN_LOOKS = 20_000  # virtual-machine steps, about a millisecond of work


def connect_arguments(timeouts: Timeouts) -> dict[str, Any]:
    """Return the driver's arguments: its own transactions off, and a clean end when a file can't be opened."""
    return {
        "isolation_level": None,
        "timeout": timeouts.lock_s,
        "factory": _LetsGo,
        "async_creator_fn": _connect,
    }


class _LetsGo(sqlite3.Connection):
    """A connection whose lock ends when it is closed.

    Python closes with `sqlite3_close_v2`, which waits for unfinished statements: one that was cancelled between its
    execution and its rows would keep the database locked until somebody collects its cursor.
    """

    def close(self) -> None:
        """Roll back, which ends unfinished statements too, and close."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


async def _connect(*arguments: Any, **named: Any) -> aiosqlite.Connection:
    connection = aiosqlite.connect(*arguments, **named)
    thread = connection._thread  # noqa: SLF001  (as SQLAlchemy does: there is no public way)
    thread.daemon = True
    try:
        return await connection
    except BaseException:
        # aiosqlite does not wait for its thread, which would then report to an event loop that may be closed.
        await asyncio.to_thread(thread.join, _LONGEST_GOODBYE_S)
        raise


def make_honest(engine: Engine, timeouts: Timeouts) -> None:
    """Give a SQLite engine explicit transactions, WAL, foreign keys and time limits."""
    event.listen(engine, "connect", _configure(engine, timeouts))
    event.listen(engine, "begin", _begin(WritersLine(engine, timeouts.lock_s)))
    event.listen(engine, "reset", _end_transaction)
    event.listen(engine, "before_cursor_execute", _start_clock(timeouts.statement_s))
    event.listen(engine, "after_cursor_execute", _stop_clock)
    event.listen(engine, "handle_error", _stop_abandoned)


def _configure(engine: Engine, timeouts: Timeouts) -> Callable[[DBAPIConnection, Any], None]:
    def on_connect(connection: DBAPIConnection, record: Any) -> None:
        try:
            _set_pragmas(connection, timeouts)
        except Exception as error:  # no database, or no place to write in
            connection.close()
            raise cannot_connect(engine.url, error) from error
        deadline = record.info["deadline"] = Deadline()
        driver = connection.driver_connection
        await_only(driver.set_progress_handler(deadline.passed, _STEPS_BETWEEN_LOOKS))

    return on_connect


def _set_pragmas(connection: DBAPIConnection, timeouts: Timeouts) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(timeouts.lock_s * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


class Deadline:
    """The moment at which a connection's running statement is to be stopped.

    Attributes:
        at: On the clock `time.monotonic`, in seconds; None while nothing is limited.
        looks: How often a statement has asked so far; while it goes up, a statement runs.
    """

    __slots__ = ("at", "looks")

    def __init__(self) -> None:
        self.at: float | None = None
        self.looks = 0

    def passed(self) -> bool:
        """Tell SQLite, between two steps, whether to interrupt the statement."""
        self.looks += 1
        return self.at is not None and time.monotonic() > self.at


def _begin(line: WritersLine) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT":
            return
        try:
            statement = _begin_statement(str(options.get(BEGIN_OPTION, "DEFERRED")).upper())
            if statement != "BEGIN":
                line.wait(connection)
            connection.exec_driver_sql(statement)
        except BaseException:
            # SQLAlchemy would take it for begun, and this connection's next statement would be kept at once.
            connection._Connection__in_begin = False  # type: ignore[attr-defined]  # noqa: SLF001
            if not connection.invalidated:  # else its turn has ended with it
                end_turn(connection.connection)
            raise

    return begin


def _begin_statement(mode: str) -> str:
    if mode not in _MODES:
        raise ValueError(f"The execution option {BEGIN_OPTION} is {mode!r}; use one of {', '.join(_MODES)}.")
    return "BEGIN" if mode == "DEFERRED" else f"BEGIN {mode}"


def _end_transaction(connection: DBAPIConnection, _record: Any, state: PoolResetState) -> None:
    """Roll back what a COMMIT that failed has left open; a session that is merely closed does not do so."""
    if state.asyncio_safe and not state.terminate_only and connection.driver_connection.in_transaction:
        connection.rollback()


def _start_clock(statement_s: float) -> Callable[..., None]:
    def before(connection: Connection, *_: Any) -> None:
        limit_s = wanted_limit(connection, statement_s)
        connection.info["deadline"].at = time.monotonic() + (statement_s if limit_s is None else limit_s)

    return before


def _stop_clock(connection: Connection, *_: Any) -> None:
    connection.info["deadline"].at = None


def _stop_abandoned(failure: ExceptionContext) -> None:
    """Stop a statement whose task was cancelled: the driver's thread knows nothing of tasks and would run on."""
    connection = failure.connection
    if connection is None or connection.closed or connection.invalidated:
        return
    if not isinstance(failure.original_exception, Exception):
        connection.info["deadline"].at = -math.inf
