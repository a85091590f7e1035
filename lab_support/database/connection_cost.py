"""What a connection costs, in its parts: why it is kept in a pool.

The parts are told apart by what the server says first. PostgreSQL answers a question for TLS (one byte) when it has
started a process for the client; MariaDB and MySQL greet when they have a thread for it. The rest, until the driver's
connection is ready, is authentication and the session's settings.

Section:
    13.10, "What a connection costs"
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from sqlalchemy import URL

from lab_support.database.urls import asynchronous, cannot_connect

_TLS_QUESTION: Final = struct.pack("!II", 8, 80877103)  # PostgreSQL's SSLRequest
_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCost:
    """Seconds for each part of one new connection, the medians of several.

    None of it is TLS: this measures without. A TLS handshake adds one or two more round trips and asymmetric
    cryptography, before the authentication.

    Attributes:
        network_s: Until the network's connection stood (TCP, or a Unix socket).
        server_s: Until the server had a process or a thread for it.
        session_s: Authentication and the session's settings.
        query_s: For comparison: `SELECT 1` on a connection that has been used already.
    """

    network_s: float
    server_s: float
    session_s: float
    query_s: float

    @property
    def total_s(self) -> float:
        """The three parts together: what a pool saves at each use."""
        return self.network_s + self.server_s + self.session_s


async def connection_cost(url: str | URL, *, repeats: int = 9, limit_s: float = 10.0) -> ConnectionCost:
    """Open connections to a server, one after the other, and measure the parts of each.

    Args:
        url: `postgresql`, `mysql` or `mariadb`.
        repeats: How many of each kind are opened, 1 or more; the medians are given.
        limit_s: The longest that all of it may take, in seconds.

    Raises:
        DatabaseUnreachableError: No connection could be made.
        ValueError: The URL is SQLite's, which opens a file and connects to nobody, or `repeats` is below 1.
        TimeoutError: It took longer than `limit_s`.
    """
    server = asynchronous(url)
    if server.get_backend_name() not in _PORTS:
        raise ValueError(
            f"'{server.get_backend_name()}' has no server to connect to; use PostgreSQL or MariaDB."
        )
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; give a number of 1 or more.")
    async with asyncio.timeout(limit_s):
        try:
            # In turns: a server may shut out a host that begins and breaks off many times on end.
            taken = [(*await _begun(server), *await _ready(server)) for _ in range(repeats)]
        except TimeoutError:
            raise
        except Exception as error:
            raise cannot_connect(server, error) from error
    network_s, server_s, total_s, query_s = (median(parts) for parts in zip(*taken, strict=True))
    session_s = max(0.0, total_s - network_s - server_s)
    return ConnectionCost(network_s=network_s, server_s=server_s, session_s=session_s, query_s=query_s)


async def _begun(server: URL) -> tuple[float, float]:
    """Go as far as the server's first word, and hang up."""
    began = time.perf_counter()
    reader, writer = await _open(server)
    try:
        connected = time.perf_counter()
        if server.get_backend_name() == "postgresql":
            writer.write(_TLS_QUESTION)
        await reader.readexactly(1)
        return connected - began, time.perf_counter() - connected
    finally:
        writer.transport.abort()


async def _open(server: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = server.port or _PORTS[server.get_backend_name()]
    directory, socket = server.query.get("host"), server.query.get("unix_socket")
    if isinstance(directory, str) and directory.startswith("/"):
        return await asyncio.open_unix_connection(f"{directory}/.s.PGSQL.{server.query.get('port', port)}")
    if isinstance(socket, str):
        return await asyncio.open_unix_connection(socket)
    return await asyncio.open_connection(server.host or "127.0.0.1", port)


async def _ready(server: URL) -> tuple[float, float]:
    """Let the driver connect, without TLS, and ask twice: at the first question a new process has empty caches."""
    began = time.perf_counter()
    connection = await _connect(server)
    ask = connection.fetchval if server.get_backend_name() == "postgresql" else connection.query
    try:
        connected = time.perf_counter()
        await ask("SELECT 1")
        warm = time.perf_counter()
        await ask("SELECT 1")
        return connected - began, time.perf_counter() - warm
    finally:
        if server.get_backend_name() == "postgresql":
            await connection.close()
        else:
            connection.close()


async def _connect(server: URL) -> Any:
    if server.get_backend_name() == "postgresql":
        import asyncpg  # an optional extra

        plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
        return await asyncpg.connect(plain, ssl=False)
    import aiomysql  # an optional extra

    return await aiomysql.connect(
        host=server.host or "127.0.0.1",
        port=server.port or 3306,
        unix_socket=server.query.get("unix_socket"),
        user=server.username or "root",
        password=server.password or "",
    )
