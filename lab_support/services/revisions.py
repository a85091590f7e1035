"""Run a service's revisions inside a program: `lab migrate`, a lesson, a test, a deployment.

Section:
    13.9, "Migrations per service"
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import WRITES, build_engine
from lab_support.pools import Timeouts


def migrating_engine(url: str | URL, *, timeouts: Timeouts | None = None) -> AsyncEngine:
    """Build an engine whose transactions may write, and whose SQLite connections don't act on foreign keys.

    SQLite changes a table by making a new one and dropping the old one. With foreign keys on, dropping is deleting: the
    rows that refer to it would go along. Whoever migrates checks the keys before the commit.
    """
    engine = build_engine(url, timeouts=timeouts)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def ignore_foreign_keys(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.close()

    return engine.execution_options(**WRITES)
