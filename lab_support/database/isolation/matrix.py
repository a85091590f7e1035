"""The anomaly matrix: every script at every isolation level of one database, measured live.

Section:
    13.4, "I: transactions that run at once"
"""

from __future__ import annotations

import html
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lab_support.database.engines import build_engine
from lab_support.database.isolation.anomalies import ANOMALIES
from lab_support.database.isolation.levels import Level, levels_of
from lab_support.database.isolation.play import Played, play
from lab_support.pools import PoolSettings, Timeouts

_POOL = PoolSettings(size=4, max_overflow=0, pre_ping=False)  # three sessions and the observer
_NO_PATIENCE_S = 0.001  # SQLite's sessions wait here, not in its busy handler
_COLOURS = {"prevented": "#d9f2d9", "refused": "#fff2cc", "allowed": "#f8d7da"}


@dataclass(frozen=True, slots=True, repr=False)
class AnomalyMatrix:
    """Which anomalies one database prevents, allows, or refuses with an error, at each of its isolation levels.

    Attributes:
        server: The database's name and version.
        levels: The columns, weakest level first.
        cells: The outcomes by the anomaly's name and the level's name.
    """

    server: str
    levels: tuple[str, ...]
    cells: Mapping[str, Mapping[str, Played]]

    def __getitem__(self, place: tuple[str, str]) -> Played:
        """Return what came of an anomaly, by its name, at a level; its text is the whole protocol."""
        anomaly, level = place
        return self.cells[anomaly][level]

    def as_dict(self) -> dict[str, dict[str, str]]:
        """Return the outcomes as text: "prevented", "allowed", or "refused" and the error's code."""
        return {
            name: {level: _outcome(played) for level, played in row.items()}
            for name, row in self.cells.items()
        }

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        rows = [("anomaly", *self.levels)]
        rows += [(_label(row), *(_shown(row[level]) for level in self.levels)) for row in self.cells.values()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = (
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )
        return "\n".join([self.server, *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("anomaly", *self.levels))
        body = "".join(f"<tr>{self._html_row(row)}</tr>" for row in self.cells.values())
        caption = f"<caption>{html.escape(self.server)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _html_row(self, row: Mapping[str, Played]) -> str:
        story = next(iter(row.values())).anomaly.story
        label = f'<th style="text-align:left" title="{html.escape(story)}">{html.escape(_label(row))}</th>'
        style = "text-align:left;color:#222;background:"
        cells = (row[level] for level in self.levels)
        return label + "".join(
            f'<td style="{style}{_COLOURS[played.outcome]}">{html.escape(_shown(played))}</td>'
            for played in cells
        )


async def anomaly_matrix(url: str | URL) -> AnomalyMatrix:
    """Play every script at every level that the database offers; it takes a second or two.

    A table of its own is made for it, and removed afterwards.

    Args:
        url: A database in which a table may be made. On MariaDB the user needs the PROCESS privilege; on SQLite
            nobody else may write meanwhile.

    Raises:
        DatabaseUrlError: The URL is unusable.
        DatabaseUnreachableError: The server does not answer.

    Section:
        13.4, "I: transactions that run at once"
    """
    async with laboratory(url) as (engine, observer, table):
        levels = await levels_of(observer)
        cells: dict[str, dict[str, Played]] = {}
        for anomaly in ANOMALIES:
            row = cells.setdefault(anomaly.name, {})
            for level in levels:
                row[level.name] = await play(anomaly, level, engine, observer, table)
        return AnomalyMatrix(await _server(observer), tuple(level.name for level in levels), cells)


async def play_anomaly(url: str | URL, anomaly: str, level: str) -> Played:
    """Play one script at one level and return its protocol, step by step.

    Args:
        url: As for `anomaly_matrix`.
        anomaly: Its name or its code.
        level: As the matrix calls it.

    Raises:
        LookupError: There is no such anomaly or level; the text names those there are.
    """
    script = next((one for one in ANOMALIES if anomaly in (one.name, one.code)), None)
    if script is None:
        raise LookupError(
            f"No anomaly is called {anomaly!r}; use one of: {', '.join(a.name for a in ANOMALIES)}."
        )
    async with laboratory(url) as (engine, observer, table):
        levels = {one.name: one for one in await levels_of(observer)}
        return await play(script, _found(levels, level), engine, observer, table)


def _found(levels: Mapping[str, Level], name: str) -> Level:
    if name not in levels:
        raise LookupError(f"This database has no isolation level {name!r}; use one of: {'; '.join(levels)}.")
    return levels[name]


@asynccontextmanager
async def laboratory(url: str | URL) -> AsyncIterator[tuple[AsyncEngine, AsyncConnection, Table]]:
    """Open an engine, an observer and a table, and remove them."""
    engine = build_engine(url, pool=_POOL)
    if engine.dialect.name == "sqlite":
        await engine.dispose()
        engine = build_engine(url, pool=_POOL, timeouts=Timeouts(lock_s=_NO_PATIENCE_S))
    table = Table(
        f"anomaly_trial_{secrets.token_hex(4)}",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("value", Integer, nullable=False),
    )
    try:
        async with engine.connect() as observer:
            await observer.execution_options(isolation_level="AUTOCOMMIT")
            await observer.run_sync(table.create)
            try:
                yield engine, observer, table
            finally:
                await observer.run_sync(table.drop)
    finally:
        await engine.dispose()


async def _server(connection: AsyncConnection) -> str:
    asking: Any = "SELECT sqlite_version()" if connection.dialect.name == "sqlite" else "SELECT version()"
    version = str(await connection.scalar(text(asking)))
    mysql = "MariaDB" if getattr(connection.dialect, "is_mariadb", False) else "MySQL"
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(connection.dialect.name, mysql)
    return f"{name} {version.removeprefix('PostgreSQL ').partition(' ')[0].partition('-')[0]}"


def _label(row: Mapping[str, Played]) -> str:
    anomaly = next(iter(row.values())).anomaly
    return f"{anomaly.name} ({anomaly.code})"


def _outcome(played: Played) -> str:
    return f"{played.outcome} {played.code}" if played.code else played.outcome


def _shown(played: Played) -> str:
    return _outcome(played) + (", waited" if played.waited else "")
