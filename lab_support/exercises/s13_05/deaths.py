"""The life of a process, moment by moment, so that it can be made to end at any of them.

A moment is the end of a statement, the beginning and the end of a commit, and whatever else a witness calls one.

Section:
    13.5, "The dual write"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import WRITES, SimulatedDeath
from lab_support.database.trace_events import kind_of
from lab_support.exercises.attempt import Attempt

MOST_MOMENTS = 60
"""No more moments are tried; code with more of them passes on the first ones."""


def writers(attempt: Attempt) -> async_sessionmaker[AsyncSession]:
    """Make the factory a student gets: on SQLite its transactions begin as writers, and queue."""
    return async_sessionmaker(attempt.engine, expire_on_commit=False, execution_options=dict(WRITES))


class Life:
    """Counts moments, and ends the process at one of them: from there on nothing reaches the database or a bus.

    Attributes:
        moments: What happened, in order.
        over: Whether the process has ended.
    """

    def __init__(self, ends_at: int = 0) -> None:
        self._ends_at = ends_at
        self.moments: list[str] = []
        self.over = False

    def goes_on(self, *_: Any) -> None:
        """Let a living process do something.

        Raises:
            SimulatedDeath: It is dead.
        """
        if self.over:
            raise SimulatedDeath("This process has ended; it can send nothing more.")

    def moment(self, what: str) -> None:
        """Note a moment, and end if it is the one; the first has number 1, and 0 never comes.

        Raises:
            SimulatedDeath: It was the last moment.
        """
        self.goes_on()
        self.moments.append(what)
        if len(self.moments) == self._ends_at:
            self.over = True
            raise SimulatedDeath(f"The process ended {what}.")

    def after_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Note that a statement has been executed."""
        if kind_of(statement) == "SQL":
            self.moment(f"after statement {' '.join(statement.split()[:3])}")

    def around_commit(self, commit: Any) -> Any:
        """Wrap a dialect's commit, for no event tells that it has succeeded."""

        def do_commit(connection: Any) -> None:
            self.moment("before a commit")
            commit(connection)
            self.moment("after a commit")

        return do_commit


@contextmanager
def life_on(engine: AsyncEngine, ends_at: int = 0) -> Iterator[Life]:
    """Have the process that uses `engine` end at a moment, counted from 1; at 0 it only counts them."""
    life, sync_engine = Life(ends_at), engine.sync_engine
    commit = sync_engine.dialect.do_commit
    event.listen(sync_engine, "before_cursor_execute", life.goes_on)
    event.listen(sync_engine, "after_cursor_execute", life.after_statement)
    sync_engine.dialect.do_commit = life.around_commit(commit)  # type: ignore[method-assign]
    try:
        yield life
    finally:
        sync_engine.dialect.do_commit = commit  # type: ignore[method-assign]
        event.remove(sync_engine, "before_cursor_execute", life.goes_on)
        event.remove(sync_engine, "after_cursor_execute", life.after_statement)
