"""Writers of one SQLite file take turns, first come first served.

SQLite lets one writer in at a time. The others look again after growing pauses, so whoever has just come is quicker
than who has waited for long, and somebody may wait in vain while the work flows. Those of one engine stand in a line
here; between processes SQLite's own waiting stays.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event, exc
from sqlalchemy.pool import ManagesConnection
from sqlalchemy.util import await_only

from lab_support.pools.deadlines import within_deadline

_TURN: Final = "writer's turn"


class WritersLine:
    """The line of those who want to write through one engine."""

    def __init__(self, engine: Engine, lock_s: float) -> None:
        """Stand at an engine's ends of transactions, so that every turn ends.

        Args:
            engine: Whose writers.
            lock_s: The longest that one waits for his turn, in seconds.
        """
        self._lock_s = lock_s
        # An engine may be used in one event loop after the other, and a lock belongs to one.
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        for name in ("do_commit", "do_rollback"):
            setattr(engine.dialect, name, _ending_turn(getattr(engine.dialect, name)))
        event.listen(engine, "checkin", _given_back)

    def wait(self, connection: Connection) -> None:
        """Wait for the turn of a connection; `end_turn` ends it.

        Raises:
            sqlalchemy.exc.OperationalError: It did not come in time: SQLITE_BUSY, as SQLite would say itself.
            DeadlineExceededError: The deadline has passed.
        """
        place = connection.connection.record_info
        if place is None or _TURN in place:  # one that left its pool stands in no line
            return
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        await_only(self._acquire(lock))
        place[_TURN] = lock

    async def _acquire(self, lock: asyncio.Lock) -> None:
        try:
            async with asyncio.timeout(within_deadline(self._lock_s)):
                await lock.acquire()
        except TimeoutError as error:
            busy = sqlite3.OperationalError("database is locked")
            busy.sqlite_errorcode, busy.sqlite_errorname = sqlite3.SQLITE_BUSY, "SQLITE_BUSY"
            raise exc.OperationalError("BEGIN IMMEDIATE", None, busy) from error


def end_turn(connection: ManagesConnection) -> None:
    """Let the next one in, if this connection has the turn."""
    lock: asyncio.Lock | None = (connection.record_info or {}).pop(_TURN, None)
    if lock is not None:
        lock.release()


def _ending_turn(end_transaction: Callable[[Any], None]) -> Callable[[Any], None]:
    def ended(connection: Any) -> None:
        try:
            end_transaction(connection)
        finally:
            end_turn(connection)

    return ended


def _given_back(_connection: object, entry: ManagesConnection) -> None:
    end_turn(entry)
