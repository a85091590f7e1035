"""One session of a script: it performs its steps in order, and waits where its engine makes it wait.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from lab_support.database.isolation.levels import Level
from lab_support.database.isolation.scripts import Parameters, Step, Who
from lab_support.database.isolation.waiting import session_number
from lab_support.database.retries import is_transient

_GLANCE_S = 0.002  # before the server is asked whether a session waits
_ENDS = ("COMMIT", "ROLLBACK")


@dataclass(slots=True)
class Line:
    """One line of a script's protocol.

    Attributes:
        who: The session.
        sql: What it was to send.
        result: What came back: a number, "ok", or the error's code.
        waited: It had to wait for another session.
    """

    who: Who
    sql: str
    result: str = "…"
    waited: bool = False


class ScriptSession:
    """A connection with a transaction of its own, fed with steps from outside.

    Attributes:
        reads: The numbers it has read.
        refused: The code of the error that ended its transaction; None while all is well.
    """

    def __init__(self, who: Who, connection: AsyncConnection, table: str) -> None:
        self.reads: list[int] = []
        self.refused: str | None = None
        self._who, self._connection, self._table = who, connection, table
        self._number = 0
        self._steps: asyncio.Queue[tuple[Step, Line]] = asyncio.Queue()
        self._current: Line | None = None
        self._idle, self._somebody_ended = asyncio.Event(), asyncio.Event()
        self._finds_it_busy = self._has_begun = False

    async def open(self, level: Level) -> None:
        """Set the level; the transaction begins with the first step."""
        await self._connection.execution_options(**level.options)
        self._number = await session_number(self._connection)
        for statement in level.before:
            await self._connection.exec_driver_sql(statement)
        await self._connection.rollback()
        for statement in level.first:
            await self._connection.exec_driver_sql(statement)

    def ask(self, step: Step) -> Line:
        """Put a step in line behind the earlier ones."""
        line = Line(self._who, step.sql.replace("{table}", "t"))
        self._idle.clear()
        self._steps.put_nowait((step, line))
        return line

    async def perform(self, ended: Callable[[], None]) -> None:
        """Perform steps until cancelled; `ended` is called when the transaction is over."""
        while True:
            if self._steps.empty():
                self._idle.set()
            step, self._current = await self._steps.get()
            await self._one(step, self._current)
            if self.refused or step.sql in _ENDS:
                ended()

    def somebody_ended(self) -> None:
        """Hear that another transaction is over: what found SQLite busy can try again."""
        self._somebody_ended.set()

    async def settled(self, waits: Callable[[int], Awaitable[bool]]) -> None:
        """Come back when it has nothing left to do, or waits for another session."""
        while not await self._idle_within(_GLANCE_S):
            if self._finds_it_busy or await waits(self._number):
                if self._current is not None:
                    self._current.waited = True
                return

    async def through(self) -> None:
        """Come back when it has nothing left to do."""
        await self._idle.wait()

    async def _idle_within(self, limit_s: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit_s)
        return self._idle.is_set()

    async def _one(self, step: Step, line: Line) -> None:
        parameters = step.given(self.reads[-1]) if step.given and self.reads else {}
        if self.refused or parameters is None:
            line.result = "not sent"
            return
        try:
            await self._patiently(step, line, parameters)
        except DBAPIError as error:
            if not is_transient(error):
                raise
            self.refused = line.result = code_of(error)
            await self._connection.rollback()

    async def _patiently(self, step: Step, line: Line, parameters: Parameters) -> None:
        """Send one step; where SQLite's busy handler would wait, wait for the end of another transaction.

        It waits for a transaction's first statement only: what has been read cannot wait to become a writer.
        """
        while True:
            self._somebody_ended.clear()
            try:
                line.result = await self._send(step, parameters)
            except OperationalError as error:
                code = getattr(error.orig, "sqlite_errorcode", None)
                if code != sqlite3.SQLITE_BUSY or self._has_begun:
                    raise
            else:
                self._has_begun = True
                return
            self._finds_it_busy = True
            await self._somebody_ended.wait()
            self._finds_it_busy = False

    async def _send(self, step: Step, parameters: Parameters) -> str:
        if step.sql in _ENDS:
            await (self._connection.commit() if step.sql == "COMMIT" else self._connection.rollback())
            return "ok"
        result = await self._connection.execute(text(step.sql.format(table=self._table)), parameters)
        if not result.returns_rows:
            return f"{result.rowcount} row(s)"
        self.reads.append(int(result.scalar_one()))
        return str(self.reads[-1])


def code_of(error: DBAPIError) -> str:
    """Return the database's own code of an error: a SQLSTATE, MariaDB's number or SQLite's name."""
    driver: Any = error.orig
    for name in ("sqlite_errorname", "sqlstate"):
        if (code := getattr(driver, name, None)) and not isinstance(driver.args[0], int):
            return str(code)
    return str(driver.args[0])
