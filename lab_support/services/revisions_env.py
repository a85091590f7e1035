"""What every service's `migrations/env.py` does: run revisions on the connection given, or on one of its own.

Section:
    13.9, "Migrations per service"
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, Connection, MetaData

from lab_support.services.relational import database_url
from lab_support.services.revisions import migrating_engine
from lab_support.settings import Settings


def run(service: str, tables: MetaData) -> None:
    """Be the body of an `env.py`.

    Args:
        service: Whose database.
        tables: What its entities declare; Alembic's `check` and `--autogenerate` compare with it.

    Raises:
        CommandError: There is no database named, or only a script was asked for.
    """
    if context.is_offline_mode():
        raise CommandError("SQL scripts can't be written: some changes need the tables. Run it on a copy.")
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given, tables)
    else:
        asyncio.run(_on_own_connection(service, tables))


def _migrate(connection: Connection, tables: MetaData) -> None:
    """Run the revisions in one transaction and see that no foreign key is left broken."""
    context.configure(
        connection=connection,
        target_metadata=tables,
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


async def _on_own_connection(service: str, tables: MetaData) -> None:
    """Serve the `alembic` command."""
    engine = migrating_engine(_chosen_url(service))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, tables)
    finally:
        await engine.dispose()


def _chosen_url(service: str) -> str | URL:
    if url := context.get_x_argument(as_dictionary=True).get("url"):
        return url
    settings = Settings()
    if getattr(settings, f"{service}_url") is None and settings.data is None:
        raise CommandError(f"Which database? Set LAB_{service.upper()}_URL or LAB_DATA, or give -x url=….")
    return database_url(service, settings, settings.data or Path())
