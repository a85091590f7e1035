"""Run the store's revisions inside a program: a lesson, a test, a deployment.

Section:
    13.2, "The table changes, the contract does not"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import WRITES, build_engine

_HERE = "lab_support.services.store:migrations"


async def upgrade(url: str | URL, revision: str = "head", *, rehearsals: bool = False) -> None:
    """Bring a database up to a revision; every row stays.

    Where the engine allows it (SQLite, PostgreSQL) all happens or nothing; MariaDB commits after each statement.

    Args:
        url: The database.
        revision: A number such as "0001", or "head" for the newest.
        rehearsals: Whether the practised revisions are known.

    Raises:
        alembic.util.CommandError: There is no such revision.
        DatabaseUnreachableError: The database does not answer.
    """
    await _run(url, rehearsals, lambda config: command.upgrade(config, revision))


async def downgrade(url: str | URL, revision: str, *, rehearsals: bool = False) -> None:
    """Bring a database down to an earlier revision, with the arguments of `upgrade`; "base" removes the tables."""
    await _run(url, rehearsals, lambda config: command.downgrade(config, revision))


async def stamp(url: str | URL, revision: str) -> None:
    """Write down that a database is at a revision, and change nothing else; for one that `create_tables` has made."""
    await _run(url, False, lambda config: command.stamp(config, revision))


async def current_revision(url: str | URL) -> str | None:
    """Tell at which revision a database is; None when no revision was ever run or stamped."""
    engine = build_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
    finally:
        await engine.dispose()


def migrating_engine(url: str | URL) -> AsyncEngine:
    """Build an engine whose SQLite connections don't act on foreign keys.

    SQLite changes a table by making a new one and dropping the old one. With foreign keys on, dropping is deleting: the
    items of every order would go with the old table of orders. `env.py` checks the keys before it commits.
    """
    engine = build_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def ignore_foreign_keys(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.close()

    return engine.execution_options(**WRITES)


async def _run(url: str | URL, rehearsals: bool, work: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", _HERE)
    config.set_main_option("path_separator", "space")
    if rehearsals:
        config.set_main_option("version_locations", f"{_HERE}/versions {_HERE}/rehearsals")

    def on(connection: Connection) -> None:
        config.attributes["connection"] = connection
        work(config)

    engine = migrating_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(on)
    finally:
        await engine.dispose()
