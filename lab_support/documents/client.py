"""One client for one process: made and asked in `lifespan`, closed at its end.

A client holds a pool of connections and a thread or task that watches the server. It connects at the first operation,
not when it is made: without a ping, "connected" is a guess.

Section:
    13.7, "One client for one process"
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, Final

from fastapi import Request

from lab_support.documents.types import Client, Collection, Database, Document, Driver
from lab_support.pools import DatabaseUnreachableError
from lab_support.pools.mongo_options import MongoPoolSettings

OPTIONS: Final[dict[str, Any]] = MongoPoolSettings().options() | {
    "tz_aware": True,
    "tzinfo": UTC,
    "uuidRepresentation": "standard",
    "appname": "lab",
}
"""What a client gets that is told nothing else; the drivers' own defaults wait 30 s for a server and for ever for a
connection, and give times without a zone."""


def make_client(
    url: str, *, driver: Driver = "motor", pool: MongoPoolSettings | None = None, **options: Any
) -> Client:
    """Make a client, which connects to nothing yet; `pools.mongo_gauges` reads its gauges.

    Args:
        url: `mongodb://…`; what it says about an option wins over the defaults here.
        driver: Motor, or its successor `pymongo.AsyncMongoClient`.
        pool: Sizes and waits, instead of the defaults.
        **options: The driver's own, such as `maxPoolSize`; they win over the defaults.

    Raises:
        pymongo.errors.ConfigurationError: The URL or an option makes no sense.
    """
    said = {part.partition("=")[0].lower() for part in re.split(r"[?&;]", url)[1:]}
    default = OPTIONS | ({} if pool is None else pool.options())
    chosen = {name: value for name, value in default.items() if name.lower() not in said} | options
    if driver in ("motor", "pymongo"):
        from lab_support.pools.mongo_gauges import PoolListener

        chosen["event_listeners"] = [*chosen.get("event_listeners", ()), PoolListener()]
    if driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient

        return AsyncIOMotorClient[Document](url, **chosen)
    if driver == "pymongo":
        from pymongo import AsyncMongoClient

        return AsyncMongoClient[Document](url, **chosen)
    raise ValueError(f"There is no driver '{driver}'; use 'motor' or 'pymongo'.")


@asynccontextmanager
async def mongo_client(
    url: str, *, driver: Driver = "motor", pool: MongoPoolSettings | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Make a client, see that the server answers, and close the client at the end, whatever happened.

    Args:
        url: See `make_client`.
        driver: See `make_client`.
        pool: See `make_client`.
        **options: See `make_client`.

    Raises:
        DatabaseUnreachableError: No server answered within `serverSelectionTimeoutMS` milliseconds.
        pymongo.errors.ConfigurationError: The URL or an option makes no sense.
    """
    client = make_client(url, driver=driver, pool=pool, **options)
    try:
        await ping(client, url)
        yield client
    finally:
        closing: Any = client.close()  # Motor's returns nothing; its successor's is awaited
        if inspect.isawaitable(closing):
            await closing


async def ping(client: Client, url: str) -> None:
    """Ask the server for a sign of life.

    Raises:
        DatabaseUnreachableError: It gave none, or refused the user.
    """
    from pymongo.errors import ConnectionFailure, OperationFailure

    try:
        await client.admin.command("ping")
    except (ConnectionFailure, OperationFailure) as error:
        reason = str(error).partition(", Timeout:")[0].partition(", full error:")[0]
        raise DatabaseUnreachableError(
            masked_mongo(url),
            " ".join(reason.split()),
            "Start the server, correct LAB_MONGODB_URL, or unset it to use the embedded one.",
        ) from error


def masked_mongo(url: str) -> str:
    """Show a URL without its password and without its options, some of which are secrets too."""
    return re.sub(r"(?<=//)([^:/@]*):.*@", r"\1:***@", url.partition("?")[0])


def get_database(request: Request) -> Database:
    """Give a request the database of its application; use it with `Depends`.

    Raises:
        RuntimeError: The application has none.
    """
    database: Database | None = getattr(request.app.state, "documents", None)
    if database is None:
        raise RuntimeError(
            f"The application '{request.app.title}' has no document database. In its lifespan set "
            "app.state.documents = client[name], and see that the lifespan is run."
        )
    return database


def get_collection(name: str) -> Callable[[Request], Collection]:
    """Make the dependency that gives a request one collection of its application's database."""

    def collection(request: Request) -> Collection:
        found: Collection = get_database(request)[name]
        return found

    return collection
