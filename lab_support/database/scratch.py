"""Fresh, empty databases for one check or one test, gone afterwards.

Section:
    13.1, "Drivers and URLs: the same cells on three databases"
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, get_args

from sqlalchemy import URL

from lab_support.database.embedded_postgres import EmbeddedPostgres
from lab_support.database.urls import asynchronous, cannot_connect
from lab_support.settings import Settings

Backend = Literal["sqlite", "postgresql", "mariadb"]

_MARIADB_HERE = "mysql+aiomysql://root@127.0.0.1:3306"
_CONNECT_LIMIT_S = 10


@asynccontextmanager
async def scratch_database(backend: Backend, folder: Path) -> AsyncIterator[str]:
    """Make an empty database and give its URL, password included; remove it on the way out.

    Sessions that are still open then are ended by the server.

    Args:
        backend: "sqlite" (a file in `folder`), "postgresql" (the server of LAB_POSTGRES_URL, else the one in
            the box) or "mariadb" (the server of LAB_MARIADB_URL, else root at 127.0.0.1:3306).
        folder: Where a SQLite file goes; it must exist.

    Raises:
        DatabaseUnreachableError: The server does not answer.
        EmbeddedPostgresError: The PostgreSQL in the box is needed and cannot be used.
    """
    name = f"scratch_{secrets.token_hex(8)}"
    if backend == "sqlite":
        async with _file(folder / f"{name}.db") as url:
            yield url
    elif backend in get_args(Backend):
        server = await _server(backend)
        await _execute(server, f"CREATE DATABASE {name}{_OPTIONS[backend]}")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            await asyncio.shield(_execute(server, f"DROP DATABASE {name}{_FORCE[backend]}"))
    else:
        raise ValueError(f"There is no scratch database called {backend!r}; use one of {get_args(Backend)}.")


# template0 admits no sessions, so several processes can copy it at once.
_OPTIONS = {"postgresql": " TEMPLATE template0", "mariadb": " CHARACTER SET utf8mb4"}
_FORCE = {"postgresql": " WITH (FORCE)", "mariadb": ""}


@asynccontextmanager
async def _file(path: Path) -> AsyncIterator[str]:
    try:
        yield URL.create("sqlite+aiosqlite", database=str(path)).render_as_string()
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


async def _server(backend: str) -> URL:
    settings = Settings()
    if backend == "mariadb":
        given = settings.mariadb_url
        return asynchronous(given.get_secret_value() if given else _MARIADB_HERE)
    if settings.postgres_url is None:
        return asynchronous(await asyncio.to_thread(EmbeddedPostgres().url))
    url = asynchronous(settings.postgres_url.get_secret_value())
    return url if url.database else url.set(database="postgres")


async def _execute(server: URL, sql: str) -> None:
    """Run one statement outside any transaction, by the bare driver: no trace of the caller's sees it."""
    if server.get_backend_name() == "postgresql":
        await _on_postgresql(server, sql)
    else:
        await _on_mariadb(server, sql)


async def _on_postgresql(server: URL, sql: str) -> None:
    import asyncpg  # an optional extra

    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await asyncpg.connect(plain, timeout=_CONNECT_LIMIT_S)
    except Exception as error:
        raise cannot_connect(server, error) from error
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _on_mariadb(server: URL, sql: str) -> None:
    import aiomysql  # an optional extra

    try:
        connection = await aiomysql.connect(
            host=server.host or "127.0.0.1",
            port=server.port or 3306,
            unix_socket=server.query.get("unix_socket"),
            user=server.username or "root",
            password=server.password or "",
            connect_timeout=_CONNECT_LIMIT_S,
            autocommit=True,
        )
    except Exception as error:
        raise cannot_connect(server, error) from error
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(sql)
    finally:
        await connection.ensure_closed()
