"""Queries that keep a database busy, and a look from outside at whether they still run.

The process that asks never sleeps: PostgreSQL and MariaDB wait on their side, and SQLite counts in its thread.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

SQLITE_ROWS_PER_S: Final = 2_000_000
"""How many rows SQLite counts in a second, roughly: measured were 1 to 4 million, by the load of the machine."""

_SLOW: Final = {
    "sqlite": (
        "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT :amount) "
        "SELECT count(*) AS slow_{mark} FROM counted"
    ),
    "postgresql": "SELECT pg_sleep(:amount) AS slow_{mark}",
    "mysql": "SELECT sleep(:amount) AS slow_{mark}",
}
_RUNNING: Final = {
    "postgresql": (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE state = 'active' AND pid <> pg_backend_pid() AND position(:mark in query) > 0"
    ),
    "mysql": (
        "SELECT count(*) FROM information_schema.processlist "
        "WHERE command <> 'Sleep' AND id <> connection_id() AND instr(info, :mark) > 0"
    ),
}


def slow_query(bind: AsyncEngine | AsyncConnection, seconds: float, *, mark: str = "query") -> TextClause:
    """Make a query that runs so many seconds, unless it is stopped.

    On SQLite the seconds are rough, for it counts rows (`SQLITE_ROWS_PER_S`).

    Args:
        bind: Where it will run; the database's kind decides how it wastes the time.
        seconds: How long, above 0.
        mark: A word of letters, digits and `_` that stands in the text, so that `is_running` finds it.

    Raises:
        ValueError: The seconds are not above 0, the mark is no such word, or the database is of another kind.
    """
    kind = bind.dialect.name
    if kind not in _SLOW:
        raise ValueError(f"There is no slow query for '{kind}'; there is one for {', '.join(_SLOW)}.")
    if not 0 < seconds < 1e6:
        raise ValueError(f"A slow query of {seconds} s makes no sense; give a number of seconds above 0.")
    if not (mark.isascii() and mark.isidentifier()):
        raise ValueError(f"The mark {mark!r} is no plain word; use letters, digits and '_'.")
    amount = round(seconds * SQLITE_ROWS_PER_S) if kind == "sqlite" else seconds
    return text(_SLOW[kind].format(mark=mark)).bindparams(amount=amount)


async def is_running(watcher: AsyncConnection, mark: str) -> bool:
    """Ask the server whether a `slow_query` with this mark runs on any other of its connections.

    Args:
        watcher: An open connection that is not busy. SQLite has no server to be asked: watch the `looks` of
            `connection.info["deadline"]` instead.
        mark: As given to `slow_query`.

    Raises:
        ValueError: The database is SQLite, or of a kind that is not known here.
    """
    kind = watcher.dialect.name
    if kind not in _RUNNING:
        raise ValueError(f"'{kind}' has no list of running statements.")
    return bool(await watcher.scalar(text(_RUNNING[kind]), {"mark": f"slow_{mark}"}))
