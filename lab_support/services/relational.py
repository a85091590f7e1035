"""A relational service's life: folder, engine, tables and sessions, from its start to its end.

Section:
    13.1, "Tables created in lifespan"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fastapi import FastAPI
from sqlalchemy import URL, Connection, MetaData, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine, create_tables, masked, session_factory
from lab_support.pools import PoolSettings, Timeouts
from lab_support.settings import Settings

VERSION_TABLE: Final = "alembic_version"


class StartError(Exception):
    """A service can't start with the data it was given; the text says why, without secrets."""


def owns_database(
    name: str, metadata: MetaData, settings: Settings
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Give a service a lifespan in which `app.state.engine` and `app.state.sessions` exist.

    Args:
        name: The service's name; its SQLite file is `<name>.db`.
        metadata: Its tables; those that are missing are created.
        settings: Where its data is, and how large its pool; `app.state.settings` comes first, where it is set.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        told: Settings = getattr(app.state, "settings", settings)
        with data_folder(told) as folder:
            engine = build_engine(
                database_url(name, told, folder), pool=pool_settings(told), timeouts=timeouts(told)
            )
            try:
                await _prepare(name, engine, metadata)
                app.state.engine, app.state.sessions = engine, session_factory(engine)
                yield
            finally:
                await engine.dispose()

    return lifespan


@contextmanager
def data_folder(settings: Settings) -> Iterator[Path]:
    """Give the folder for data files: the one in the settings, or a private one deleted at the end.

    Raises:
        StartError: The folder can't be made.
    """
    if settings.data is None:
        with TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"cannot make the data folder {settings.data}: {error.strerror}. Give another one with --data."
        ) from error
    yield settings.data


def database_url(name: str, settings: Settings, folder: Path) -> str | URL:
    """Give the URL configured for this service, or that of its own SQLite file in the folder."""
    given = settings.database_url if name == "store" else getattr(settings, f"{name}_url")
    if given is not None:
        return str(given.get_secret_value())
    return URL.create("sqlite+aiosqlite", database=str(folder / f"{name}.db"))


def pool_settings(settings: Settings) -> PoolSettings:
    """Give the pool's numbers as the settings have them."""
    return PoolSettings(
        size=settings.pool_size,
        max_overflow=settings.max_overflow,
        timeout_s=settings.pool_timeout_s,
        recycle_s=settings.pool_recycle_s,
        pre_ping=settings.pool_pre_ping,
        trace_checkouts=settings.pool_trace,
    )


def timeouts(settings: Settings) -> Timeouts:
    """Give the time limits as the settings have them."""
    return Timeouts(
        connect_s=settings.connect_timeout_s,
        statement_s=settings.statement_timeout_s,
        lock_s=settings.lock_timeout_s,
    )


async def _prepare(name: str, engine: AsyncEngine, metadata: MetaData) -> None:
    try:
        await _check_revision(name, engine, metadata)
        lacking = await _lacking_columns(engine, metadata)
        if not lacking:
            await create_tables(engine, metadata)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise StartError(
            f"the service '{name}' can't create its tables in {masked(engine.url)}: {reason}. "
            "Check that its user may create tables and that nothing else uses the name."
        ) from error
    if lacking:
        raise StartError(
            f"the tables of the service '{name}' in {masked(engine.url)} are of an earlier version: they lack "
            f"{', '.join(lacking)}. {_remedy(name)}"
        )


def _remedy(name: str) -> str:
    return f"Run `lab migrate {name}` on the same data; every row stays."


async def _check_revision(name: str, engine: AsyncEngine, metadata: MetaData) -> None:
    """Refuse a migrated database that is behind this code; one that was never migrated has no version table.

    One that is ahead is taken as long as it has all that this code needs: so old code runs beside new code.
    """
    async with engine.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE)):
            return
        from lab_support.services import (
            revisions,
        )  # Alembic is loaded only for a database that it has touched

        found = await connection.run_sync(revisions.revision_in)
        there = await connection.run_sync(revisions.things_in)
    newest, known = revisions.head_of(name), revisions.revisions_of(name)
    if found is None or (found in known and found != newest):
        raise StartError(
            f"the tables of the service '{name}' in {masked(engine.url)} are at revision {found}, and this code needs "
            f"{newest}. {_remedy(name)}"
        )
    needed = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    if found not in known and not needed <= there:
        raise StartError(revisions.unknown_revision(name, engine.url, found))


async def _lacking_columns(engine: AsyncEngine, metadata: MetaData) -> list[str]:
    """Name the columns that tables there are lack: `create_tables` would make missing tables, and change none."""

    def look(connection: Connection) -> list[str]:
        found = inspect(connection)
        there = set(found.get_table_names())
        lacking: list[str] = []
        for table in metadata.sorted_tables:
            if table.name in there:
                names = {column["name"] for column in found.get_columns(table.name)}
                lacking += [
                    f"{table.name}.{column.name}" for column in table.columns if column.name not in names
                ]
        return lacking

    async with engine.connect() as connection:
        return await connection.run_sync(look)
