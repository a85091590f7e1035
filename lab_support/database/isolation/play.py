"""Plays a script: gives the sessions their steps in order, and goes on when one is done or waits for another.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lab_support.database.isolation.levels import Level
from lab_support.database.isolation.scripts import START, Anomaly, Seen, Who
from lab_support.database.isolation.sessions import Line, ScriptSession
from lab_support.database.isolation.waiting import waits_for_a_lock

Outcome = Literal["prevented", "allowed", "refused"]
_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True, repr=False)
class Played:
    """What came of a script at one isolation level.

    Attributes:
        anomaly: The script.
        level: The level's name.
        outcome: "allowed" when the anomaly happened, "refused" when a session got an error instead, else "prevented".
        code: The error's code when it was refused.
        waited: A session had to wait for another one.
        lines: The protocol, in the order in which the steps were given.
    """

    anomaly: Anomaly
    level: str
    outcome: Outcome
    code: str | None
    waited: bool
    lines: tuple[Line, ...]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        rows = [f"{line.who}  {line.sql:<55} {line.result}{_waited(line)}" for line in self.lines]
        return "\n".join([self._title(), self.anomaly.story, *rows])

    def _repr_html_(self) -> str:
        rows = "".join(_html_row(line) for line in self.lines)
        caption = html.escape(f"{self._title()}: {self.anomaly.story}")
        return f"<table><caption>{caption}</caption>{rows}</table>"

    def _title(self) -> str:
        code = f" ({self.code})" if self.code else ""
        return f"{self.anomaly.name} ({self.anomaly.code}) at {self.level}: {self.outcome}{code}"


async def play(
    anomaly: Anomaly, level: Level, engine: AsyncEngine, observer: AsyncConnection, table: Table
) -> Played:
    """Play one script on fresh rows.

    Args:
        anomaly: The script.
        level: The isolation of all its sessions.
        engine: Where the sessions' connections come from; on SQLite with no patience for locks.
        observer: A connection in AUTOCOMMIT that sets the rows up and watches who waits.
        table: An existing table with the columns `id` and `value`.

    Raises:
        TimeoutError: The sessions wait for one another for ever.
    """
    await _fresh_rows(observer, table)
    async with _sessions(anomaly, level, engine, table) as sessions:
        lines = await _perform(anomaly, sessions, observer)
    rows = (await observer.execute(select(table))).all()
    codes = [session.refused for session in sessions.values() if session.refused]
    seen = Seen(
        {who: session.reads for who, session in sessions.items()}, {row.id: row.value for row in rows}
    )
    outcome: Outcome = "refused" if codes else "allowed" if anomaly.happened(seen) else "prevented"
    waited = any(line.waited for line in lines)
    return Played(anomaly, level.name, outcome, codes[0] if codes else None, waited, tuple(lines))


async def _fresh_rows(observer: AsyncConnection, table: Table) -> None:
    await observer.execute(delete(table))
    await observer.execute(insert(table), [{"id": id_, "value": value} for id_, value in START.items()])


@asynccontextmanager
async def _sessions(
    anomaly: Anomaly, level: Level, engine: AsyncEngine, table: Table
) -> AsyncIterator[dict[Who, ScriptSession]]:
    async with AsyncExitStack() as stack:
        sessions: dict[Who, ScriptSession] = {}
        for step in anomaly.steps:
            if step.who not in sessions:
                connection = await stack.enter_async_context(engine.connect())
                sessions[step.who] = ScriptSession(step.who, connection, table.name)
                await sessions[step.who].open(level)
        yield sessions


async def _perform(
    anomaly: Anomaly, sessions: dict[Who, ScriptSession], observer: AsyncConnection
) -> list[Line]:
    async def waits(number: int) -> bool:
        return await waits_for_a_lock(observer, number)

    def ended() -> None:
        for session in sessions.values():
            session.somebody_ended()

    lines = []
    async with asyncio.timeout(_LIMIT_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(session.perform(ended)) for session in sessions.values()]
        for step in anomaly.steps:
            lines.append(sessions[step.who].ask(step))
            for session in sessions.values():
                await session.settled(waits)
        for session in sessions.values():
            await session.through()
        for task in tasks:
            task.cancel()
    return lines


def _html_row(line: Line) -> str:
    cells = (line.who, line.sql, line.result + _waited(line))
    return (
        "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in cells) + "</tr>"
    )


def _waited(line: Line) -> str:
    return "  (waited)" if line.waited else ""
