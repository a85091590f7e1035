"""A rival: somebody else's change that comes between what the student's code reads and what it then writes.

Waiting for two tasks to meet in the wrong order proves nothing when they do not. Here the order is made: an
instrument on the student's engine stops before the first write, the judge's own connection makes its change, and the
write goes on.

Section:
    13.4, "Lost updates: first the defaults, then honestly"; every exercise about a race
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import await_only

from lab_support.database import build_engine
from lab_support.database.sqlite import WRITES
from lab_support.pools import PoolSettings, Timeouts

FIRST_WRITE: Final = r"\s*(INSERT|UPDATE|DELETE)\b"
PATIENCE_S: Final = 0.2

Outcome = Literal["not met", "came between", "kept out"]
Work = Callable[[AsyncConnection], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where a rival comes in.

    Attributes:
        before: Pattern of the statement, from its start, before which it comes; once.
        come: What happens then, on the judge's side.
    """

    before: str
    come: Callable[[], Awaitable[None]]


class Rival:
    """Somebody else's change, made once, by a connection that waits `PATIENCE_S` seconds for a lock and then gives up.

    Attributes:
        outcome: "not met" before it was called, "kept out" when a lock or constraint refused it.
    """

    def __init__(self, engine: AsyncEngine, work: Work) -> None:
        self._url, self._work = engine.url, work
        self.outcome: Outcome = "not met"

    async def come(self) -> None:
        """Make the change in a transaction of its own."""
        engine = build_engine(
            self._url, pool=PoolSettings(size=1, max_overflow=0), timeouts=Timeouts(lock_s=PATIENCE_S)
        )
        try:
            async with engine.execution_options(**WRITES).begin() as connection:
                await self._work(connection)
            self.outcome = "came between"
        except DBAPIError:
            self.outcome = "kept out"
        finally:
            await engine.dispose()


@contextmanager
def interrupted(engine: AsyncEngine, meeting: Meeting | None) -> Iterator[None]:
    """Let the rival come before the first statement of `engine` that matches, while the block runs."""
    if meeting is None:
        yield
        return
    pattern, due = re.compile(meeting.before, re.IGNORECASE), [meeting.come]

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if due and pattern.match(statement):
            await_only(due.pop()())

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", before)
