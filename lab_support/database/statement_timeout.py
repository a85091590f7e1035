"""A limit on the statements of one block that the database itself keeps: what runs longer is stopped where it runs.

`asyncio.timeout` ends the waiting, and on some databases only that. `stmt.execution_options(timeout=…)` does nothing.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from lab_support.database.statement_limits import limits_of, refuse_unlimited


@asynccontextmanager
async def statement_timeout(
    session: AsyncSession | AsyncConnection, seconds: float | None = None
) -> AsyncIterator[None]:
    """Stop each statement of a session, or of a connection, that runs longer than so many seconds.

    The server stops it (SQLite: its progress handler), not the client that waits for it; a transaction that was open
    has to be rolled back. The limit counts for each statement by itself, on every connection that the session uses in
    the block, also after a commit. Blocks may be nested: the shortest limit wins, the engine's own
    (`Timeouts.statement_s`) and the deadline included. The next user of the connection finds no trace of it.

    Rows that are streamed count on PostgreSQL for each fetch, and on SQLite not at all. MySQL limits SELECT only.

    Args:
        session: Whose statements; others of the same task are not touched.
        seconds: The longest that one may run, above 0; None leaves it to the deadline (`pools.deadlines`) alone.

    Raises:
        ValueError: The seconds are no number above 0, or the connection is not open.
        RuntimeError: The engine was not built with `build_engine`, so that the limit would do nothing.
        sqlalchemy.exc.DBAPIError: From the statement that was stopped; `trouble_behind` calls it `TIMED_OUT`.
        DeadlineExceededError: From a statement that was not begun, for the deadline had passed.

    Section:
        13.10, "The four timeouts"
    """
    limit = _checked(seconds)
    limits = limits_of(_owner(session)).seconds
    limits.append(limit)
    try:
        yield
    finally:
        limits.remove(limit)


def _checked(seconds: float | None) -> float:
    if seconds is None:
        return math.inf
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ValueError(f"A statement's time limit is {seconds!r}; give a number of seconds above 0.")
    return float(seconds)


def _owner(session: AsyncSession | AsyncConnection) -> Session | Connection:
    if isinstance(session, AsyncConnection):
        if session.sync_connection is None:
            raise ValueError("This connection is not open. Enter `async with engine.connect()` first.")
        return session.sync_connection
    if session.bind is not None:
        refuse_unlimited(session.sync_session.get_bind())
    return session.sync_session
