"""The split shop's data seen from another process: opened where it is, never made.

Section:
    13.5, "Who runs the relay?"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import build_engine, masked, session_factory
from lab_support.messaging import Bus, open_bus
from lab_support.services.relational import StartError, database_url, pool_settings
from lab_support.services.split import SplitService
from lab_support.settings import Settings


def has_own_url(name: str, settings: Settings) -> bool:
    """Tell whether a service's database is on a server, or wherever else its own URL says."""
    return getattr(settings, f"{name}_url") is not None


@contextmanager
def existing_folder(settings: Settings, names: Collection[str], *, bus: bool = True) -> Iterator[Path]:
    """Give the folder in which running services keep their files.

    Where databases and bus all have URLs no folder is needed, and a temporary one is given.

    Args:
        settings: Where data and bus are.
        names: The services whose databases are needed.
        bus: Whether the bus is needed too.

    Raises:
        StartError: It is needed and was not named, or is not there.
    """
    if settings.data is not None:
        if not settings.data.is_dir():
            raise StartError(
                f"there is no folder {settings.data}. Name the one that `lab serve --data` was given."
            )
        yield settings.data
        return
    if (bus and settings.bus_url is None) or not all(has_own_url(name, settings) for name in names):
        example = next(iter(names), "orders").upper()
        raise StartError(
            "nobody said where the data is. Give --data DIR (or LAB_DATA), the folder that `lab serve --data` "
            f"was given; or {'LAB_BUS_URL and ' if bus else ''}the URL of each service, such as LAB_{example}_URL."
        )
    with TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@asynccontextmanager
async def reached(
    one: SplitService, settings: Settings, folder: Path
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Open the database of a service that has run before.

    Raises:
        StartError: It is missing, or is not that service's.
        DatabaseUnreachableError: It does not answer.
        DatabaseUrlError: Its URL is unusable.
    """
    engine = build_engine(database_url(one.name, settings, folder), pool=pool_settings(settings))
    _expect_file(one, engine)
    try:
        await _recognise(one, engine)
        yield session_factory(engine)
    finally:
        await engine.dispose()


def bus_of(settings: Settings, folder: Path) -> Bus:
    """Make the bus that the settings name; nothing connects yet.

    Raises:
        BusUrlError: The URL names no bus.
    """
    url = None if settings.bus_url is None else settings.bus_url.get_secret_value()
    return open_bus(url, folder, namespace=settings.bus_namespace)


def shown_bus(settings: Settings, folder: Path) -> str:
    """Name the bus for a person, without secrets."""
    if settings.bus_url is None:
        return str(folder / "bus.db")
    return masked(settings.bus_url.get_secret_value())


def _expect_file(one: SplitService, engine: AsyncEngine) -> None:
    """Refuse a SQLite file that is not there: opening it would make it."""
    file = engine.url.database
    if engine.url.get_backend_name() == "sqlite" and not Path(str(file)).is_file():
        raise StartError(
            f"the service '{one.name}' has no database {file}. Start `lab serve` on this data first, or name "
            "another folder with --data."
        )


async def _recognise(one: SplitService, engine: AsyncEngine) -> None:
    try:
        lacking = await _lacking(engine, one.tables)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise StartError(f"the tables in {masked(engine.url)} can't be read: {reason}.") from error
    if lacking:
        raise StartError(
            f"{masked(engine.url)} is not the database of the service '{one.name}': it lacks {lacking[0]}. "
            "Check --data, LAB_DATA and the service's URL; `lab serve` makes what is missing in a new one."
        )


async def _lacking(engine: AsyncEngine, metadata: MetaData) -> list[str]:
    def look(connection: Connection) -> list[str]:
        found = inspect(connection)
        there = set(found.get_table_names())
        lacking = [f"the table {table.name}" for table in metadata.sorted_tables if table.name not in there]
        for table in metadata.sorted_tables:
            if table.name in there:
                names = {column["name"] for column in found.get_columns(table.name)}
                lacking += [
                    f"the column {table.name}.{one.name}" for one in table.columns if one.name not in names
                ]
        return lacking

    async with engine.connect() as connection:
        return await connection.run_sync(look)
