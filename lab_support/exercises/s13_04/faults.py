"""Faults put into the student's engine: an error, or the end of the process, after the k-th statement.

Beside `database.faults`, which cuts the raw connection: here SQLAlchemy rolls the connection back, because a SQLite
file stays locked by a connection that was closed while a cursor of it lives on in a traceback.

Section:
    13.4, "A failure at every statement"
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.exercises.attempt import OnPurposeError


class ProcessDied(BaseException):
    """From here on nothing reaches the database; no `except Exception` survives the end of its process."""


class Fault:
    """What has been sent while the fault was in place, and whether it came.

    Attributes:
        reached: Whether the statement was sent after which the fault comes.
        statements: How many statements were sent.
    """

    def __init__(self, after: int, how: str, text: str) -> None:
        self._after, self._how, self._text = after, how, text
        self._dead = self.reached = False
        self.statements = 0

    def before(self, *_: Any) -> None:
        """Send nothing for a dead process, neither a statement nor a COMMIT."""
        if self._dead:
            raise ProcessDied

    def after(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Count a statement and, if it is the one, let the fault come."""
        if statement.upper().startswith(("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            return
        self.statements += 1
        if self.statements != self._after:
            return
        self.reached = True
        self._dead = self._how == "death"
        raise ProcessDied if self._dead else OnPurposeError(self._text)


@contextmanager
def fault(engine: AsyncEngine, after: int, how: str, text: str = "the lights went out") -> Iterator[Fault]:
    """Have `engine` fail after so many statements while the block runs; 0 only counts.

    Args:
        engine: The student's engine.
        after: Number of the statement, from 1.
        how: "error" raises `OnPurposeError(text)` once; "death" ends the process, and the database rolls back.
        text: What the error says.
    """
    injected = Fault(after, how, text)
    listeners = {
        "before_cursor_execute": injected.before,
        "commit": injected.before,
        "after_cursor_execute": injected.after,
    }
    for name, listener in listeners.items():
        event.listen(engine.sync_engine, name, listener)
    try:
        yield injected
    finally:
        for name, listener in listeners.items():
            event.remove(engine.sync_engine, name, listener)
