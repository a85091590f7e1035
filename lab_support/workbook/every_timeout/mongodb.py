"""The timeouts of MongoDB's client, each made to happen on the embedded server.

Whether the work was done in spite of the error is told by the document: an insert that is held up by a fail point is
there afterwards, or is not. A real server looks for clients that have gone as well (since MongoDB 4.2).

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
import secrets
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from lab_support.documents.client import make_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.types import Client
from lab_support.pools.proxy import FaultProxy
from lab_support.workbook.every_timeout.rows import Row, row_of, wait_for_the_end

_BACKEND: Final = "mongodb"
_HELD_UP: Final = 4  # limits long
_LOOK_EVERY_S: Final = 0.005


async def connect(server: EmbeddedMongo, limit_s: float) -> Row:
    """A wire that lets in and passes nothing on: each try of the client's monitor ends, and another begins.

    So the caller never sees the end of a try, but that of the search for a server. A connection of the pool has no
    limit for its greeting: the monitor's failure is what ends that.
    """
    options = {"connectTimeoutMS": _ms(limit_s), "serverSelectionTimeoutMS": _ms(2 * limit_s)}
    async with FaultProxy(server.url) as proxy, _client(proxy.through(server.url), **options) as client:
        proxy.stall()
        waited = await wait_for_the_end(client.admin.command("ping"))
    return await row_of(_BACKEND, "connect", "connectTimeoutMS, each try", limit_s, waited)


async def server_selection(_server: EmbeddedMongo, limit_s: float) -> Row:
    """Nobody listens at the address: the client looks for a server until it gives up."""
    async with _client(
        f"mongodb://127.0.0.1:{_closed_port()}/", serverSelectionTimeoutMS=_ms(limit_s)
    ) as client:
        waited = await wait_for_the_end(client.admin.command("ping"))
    return await row_of(_BACKEND, "server selection", "serverSelectionTimeoutMS", limit_s, waited)


async def wait_queue(server: EmbeddedMongo, limit_s: float) -> Row:
    """The pool's only connection is in use: the client refuses, and the server hears nothing of it."""
    async with (
        _client(server.url, maxPoolSize=1, waitQueueTimeoutMS=_ms(limit_s)) as client,
        _held_up(server, client, limit_s),
    ):
        waited = await wait_for_the_end(client.admin.command("ping"))
    return await row_of(_BACKEND, "pool wait", "waitQueueTimeoutMS", limit_s, waited)


async def statement(server: EmbeddedMongo, limit_s: float) -> Row:
    """The command runs too long: the server stops it."""
    async with _client(server.url) as client:
        return await _with_slow_insert(client, ("statement", "maxTimeMS"), limit_s, maxTimeMS=_ms(limit_s))


async def socket(server: EmbeddedMongo, limit_s: float) -> Row:
    """The client hears nothing for too long and hangs up; the server notices that."""
    async with _client(server.url, socketTimeoutMS=_ms(limit_s)) as client:
        return await _with_slow_insert(client, ("socket", "socketTimeoutMS"), limit_s)


async def around(server: EmbeddedMongo, limit_s: float) -> Row:
    """`asyncio.timeout` ends the waiting; Motor's thread waits on for the answer, and the server works for it."""
    async with _client(server.url) as client:
        return await _with_slow_insert(
            client, ("around a query", "asyncio.timeout"), limit_s, around_s=limit_s
        )


async def _with_slow_insert(
    client: Client, case: tuple[str, str], limit_s: float, *, around_s: float | None = None, **limits: int
) -> Row:
    async def insert() -> None:
        async with asyncio.timeout(around_s):
            await _insert(client, name, **limits)

    waited_for, setting = case
    name = secrets.token_hex(8)
    await _hold_up_next_insert(client, limit_s)
    waited = await wait_for_the_end(insert())
    # Until an insert that nobody has stopped would have been done.
    await asyncio.sleep(max(0.0, _HELD_UP * limit_s - waited.elapsed_s) + limit_s)
    stopped = await client.every_timeout.done.find_one({"_id": name}) is None
    return await row_of(_BACKEND, waited_for, setting, limit_s, waited, stopped=stopped)


@asynccontextmanager
async def _held_up(server: EmbeddedMongo, client: Client, limit_s: float) -> AsyncIterator[None]:
    """Keep one connection of the client busy during the block, with an insert that the server holds up."""
    await _hold_up_next_insert(client, limit_s)
    insert = asyncio.ensure_future(_insert(client, secrets.token_hex(8)))
    try:
        while server.engine is not None and server.engine.fail_point.remaining:  # noqa: ASYNC110 (another thread's)
            await asyncio.sleep(_LOOK_EVERY_S)
        yield
    finally:
        await asyncio.gather(insert, return_exceptions=True)


async def _hold_up_next_insert(client: Client, limit_s: float) -> None:
    data = {"failCommands": ["insert"], "blockConnection": True, "blockTimeMS": _ms(_HELD_UP * limit_s)}
    await client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=data)


async def _insert(client: Client, name: str, **limits: int) -> None:
    await client.every_timeout.command({"insert": "done", "documents": [{"_id": name}], **limits})


@asynccontextmanager
async def _client(url: str, **options: Any) -> AsyncIterator[Client]:
    client = make_client(url, retryReads=False, retryWrites=False, **options)
    try:
        yield client
    finally:
        client.close()


def _closed_port() -> int:
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


Case = Callable[[EmbeddedMongo, float], Awaitable[Row]]
CASES: Final[Sequence[Case]] = (connect, server_selection, wait_queue, statement, socket, around)
