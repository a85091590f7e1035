"""One slow query, watched from outside: has it begun, has it stopped, and an end to it in any case.

A server is asked for its running statements. SQLite has none: its progress counter tells whether anything runs, and a
function that stands behind the query tells whether it came to its end.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lab_support.database.slow_queries import is_running, slow_query

_GRACE_S: Final = 1.0  # a server that was told to stop may need a moment
_LOOK_EVERY_S: Final = 0.02
_REST_S: Final = 0.1  # a running query of SQLite counts a hundred times meanwhile
_STEPS: Final = 20_000
_KILL: Final = {
    "postgresql": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND position(:mark in query) > 0",
        None,
    ),
    "mysql": (
        "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND instr(info, :mark) > 0",
        "KILL {}",
    ),
}


class Work:
    """A slow query that carries a mark of its own.

    Args:
        engine: Has a free connection to look from, unless it is SQLite's.
        connection: Where the query will run; needed on SQLite only.
    """

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection | None = None) -> None:
        self._engine, self._connection = engine, connection
        self._mark = f"w{secrets.token_hex(6)}"
        self._is_file = engine.dialect.name == "sqlite"
        self._looks = 0
        self._clock: Any = None
        self._came_to_its_end = False

    async def query(self, seconds: float) -> TextClause:
        """Make the query, and everything ready to watch it."""
        query = slow_query(self._engine, seconds, mark=self._mark)
        if not self._is_file or self._connection is None:
            return query
        raw = await self._connection.get_raw_connection()
        driver: Any = raw.driver_connection
        self._clock = raw.info.get("deadline")
        if self._clock is None:  # an engine of SQLAlchemy's own making
            await driver.set_progress_handler(self._look, _STEPS)
        await driver.create_function("came_to_its_end", 0, self._end)
        watched = text(f"SELECT counted.*, came_to_its_end() FROM ({query.text}) AS counted")  # noqa: S608
        return watched.bindparams(**query.compile().params)

    async def has_begun(self) -> None:
        """Wait until the server is at it."""
        async with self._engine.connect() as watcher:
            while not await is_running(watcher, self._mark):
                await watcher.rollback()
                await asyncio.sleep(_LOOK_EVERY_S)

    async def has_stopped(self) -> bool:
        """Tell whether the database gave the work up, after a moment of grace."""
        if self._is_file:
            return not self._came_to_its_end and await self._rests()
        until = time.monotonic() + _GRACE_S
        async with self._engine.connect() as watcher:
            while await is_running(watcher, self._mark):
                if time.monotonic() > until:
                    return False
                await watcher.rollback()
                await asyncio.sleep(_LOOK_EVERY_S)
        return True

    async def end(self) -> None:
        """Stop whatever still runs on a server."""
        if self._is_file:
            return
        find, kill = _KILL[self._engine.dialect.name]
        async with self._engine.connect() as watcher:
            found = await watcher.scalars(text(find), {"mark": f"slow_{self._mark}"})
            for number in found.all() if kill is not None else ():
                await watcher.execute(text(str(kill).format(int(number))))

    async def _rests(self) -> bool:
        before = self._counted()
        await asyncio.sleep(_REST_S)
        return before == self._counted()

    def _counted(self) -> int:
        return self._looks + (self._clock.looks if self._clock is not None else 0)

    def _look(self) -> bool:
        self._looks += 1
        return False

    def _end(self) -> int:
        self._came_to_its_end = True
        return 1
