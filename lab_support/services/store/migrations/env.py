"""Alembic's entry: run revisions on the connection of `running`, or, for the `alembic` command, on one of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, Connection

from lab_support.services.relational import database_url
from lab_support.services.store.entities import StoreBase
from lab_support.services.store.migrations.running import migrating_engine
from lab_support.settings import Settings


def migrate(connection: Connection) -> None:
    """Run the revisions in one transaction and see that no foreign key is left broken."""
    context.configure(
        connection=connection,
        target_metadata=StoreBase.metadata,
        transactional_ddl=connection.dialect.name != "mysql",
        render_as_batch=True,
        on_version_apply=context.config.attributes.get("applied"),
    )
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise CommandError(
                    f"{len(broken)} rows would refer to rows that are gone; nothing was changed."
                )


def chosen_url() -> str | URL:
    """Give the URL that the `alembic` command was given.

    Raises:
        CommandError: There is none.
    """
    if url := context.get_x_argument(as_dictionary=True).get("url"):
        return url
    settings = Settings()
    if settings.database_url is None and settings.data is None:
        raise CommandError("Which database? Set LAB_DATABASE_URL or LAB_DATA, or give -x url=….")
    return database_url("store", settings, settings.data or Path())


async def on_own_connection() -> None:
    """Serve the `alembic` command."""
    engine = migrating_engine(chosen_url())
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    raise CommandError("SQL scripts can't be written: SQLite's changes need the tables. Run it on a copy.")
if (given := context.config.attributes.get("connection")) is not None:
    migrate(given)
else:
    asyncio.run(on_own_connection())
