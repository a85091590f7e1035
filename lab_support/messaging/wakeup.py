"""Who wakes a reader when another process has committed: the database itself, or a look that costs next to nothing.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine
from lab_support.database.cancellation import stop_if_cancelled
from lab_support.pools import PoolSettings

WATCH_S = 0.02
_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


class FileWatch:
    """Looks at a SQLite file that others write to, on a connection of its own and without a transaction."""

    def __init__(self, path: Path) -> None:
        self._raw = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._version: Any = None

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()

    def changed(self) -> bool:
        """Tell whether anybody has committed since the last call; true the first time."""
        before, self._version = self._version, self.ask("PRAGMA data_version")
        return bool(before != self._version)

    def ask(self, question: str, *values: object) -> Any:
        """Return the first column of the first row."""
        row = self._raw.execute(question, values).fetchone()
        return row and row[0]


async def watch_file(
    path: Path, look: Callable[[FileWatch], None], *, every_s: float = WATCH_S, watch: FileWatch | None = None
) -> None:
    """Call a function at the beginning and soon after each commit of others, until cancelled."""
    with closing(watch or FileWatch(path)) as watching:
        while True:
            try:
                if watching.changed():
                    look(watching)
            except sqlite3.Error as error:  # busy, or being made: the next look is soon
                _log.debug("The file %s could not be looked at: %s", path.name, error)
            await asyncio.sleep(every_s)


def channel_of(outbox: Table) -> str:
    """Name the PostgreSQL channel on which commits to an outbox are told."""
    return f"lab_{outbox.name}"


async def wake_relay(engine: AsyncEngine, outbox: Table, wake: Callable[[], None]) -> None:
    """Wake a relay after commits of other processes, until cancelled.

    On PostgreSQL by LISTEN, on a connection of its own; on SQLite by looking at the file; elsewhere not at all,
    and the relay's slow poll remains.
    """
    if engine.dialect.name == "postgresql":
        await _listen(engine, channel_of(outbox), wake)
    elif engine.dialect.name == "sqlite" and engine.url.database:
        newest: list[Any] = [None]
        unpublished = f'SELECT max(seq) FROM "{outbox.name}" WHERE published_at IS NULL'  # noqa: S608

        def look(watch: FileWatch) -> None:
            before, newest[0] = newest[0], watch.ask(unpublished)
            if newest[0] is not None and before != newest[0]:
                wake()

        await watch_file(Path(engine.url.database), look)


async def _listen(engine: AsyncEngine, channel: str, wake: Callable[[], None]) -> None:
    own = build_engine(engine.url, pool=PoolSettings(size=1, max_overflow=0))
    try:
        while True:
            try:
                await _listen_once(own, channel, wake)
            except Exception as error:
                stop_if_cancelled()
                _log.warning(
                    "Nobody tells of commits for now (%s); the slow poll goes on", type(error).__name__
                )
            await asyncio.sleep(_AGAIN_S)
    finally:
        await own.dispose()


async def _listen_once(engine: AsyncEngine, channel: str, wake: Callable[[], None]) -> None:
    lost = asyncio.Event()
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        raw.add_termination_listener(lambda *_: lost.set())
        await raw.add_listener(channel, lambda *_: wake())
        wake()  # what was committed before anybody listened
        try:
            await lost.wait()
        finally:
            await connection.invalidate()
