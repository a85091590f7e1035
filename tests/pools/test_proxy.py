"""A wire that can be cut, stalled, delayed and closed, and what pools make of connections that went stale."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import Backend, build_engine, check_connection
from lab_support.documents.client import make_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.pools import DatabaseUnreachableError, PoolSettings, Timeouts, Trouble, trouble_behind
from lab_support.pools.proxy import FaultProxy

ON_SERVERS = pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
GUARD_S = 30


@pytest.fixture
async def echo_url() -> AsyncIterator[str]:
    """Give the URL of a server that sends everything back; its name is a lie, for a proxy does not look."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield f"mongodb://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


@asynccontextmanager
async def client_of(proxy: FaultProxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(GUARD_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    return await reader.readexactly(len(data))


async def test_bytes_arrive_unchanged_and_in_order(echo_url: str) -> None:
    """A megabyte comes back as it was sent, delayed or not."""
    data = bytes(range(256)) * 4096
    async with FaultProxy(echo_url) as proxy, client_of(proxy) as (reader, writer):
        assert await said_back(reader, writer, data) == data
        proxy.delay(0.01)
        assert await said_back(reader, writer, data) == data


async def test_end_of_one_direction_is_passed_on(echo_url: str) -> None:
    """A client that has said everything still hears the answer."""
    async with FaultProxy(echo_url) as proxy, client_of(proxy) as (reader, writer):
        writer.write(b"last words")
        writer.write_eof()

        assert await reader.read() == b"last words"


async def test_cut_closes_open_connections_only(echo_url: str) -> None:
    """Who is connected is hung up on; who comes next is served."""
    async with FaultProxy(echo_url) as proxy:
        async with client_of(proxy) as (reader, writer):
            await said_back(reader, writer, b"x")
            proxy.cut()
            assert await reader.read() == b""
        async with client_of(proxy) as (reader, writer):
            assert await said_back(reader, writer, b"y") == b"y"

        assert proxy.connections_made == 2


async def test_stalled_bytes_arrive_after_the_mending(echo_url: str) -> None:
    """Nothing is lost and nothing is closed; it only does not arrive."""
    async with FaultProxy(echo_url) as proxy, client_of(proxy) as (reader, writer):
        proxy.stall()
        answer = asyncio.create_task(said_back(reader, writer, b"held back"))
        await asyncio.sleep(0.05)
        assert not answer.done()
        await proxy.mend()

        assert await answer == b"held back"


async def test_delay_counts_in_each_direction(echo_url: str) -> None:
    """An answer takes at least twice the delay."""
    async with FaultProxy(echo_url) as proxy, client_of(proxy) as (reader, writer):
        proxy.delay(0.05)
        began = time.monotonic()
        await said_back(reader, writer, b"slowly")

        assert time.monotonic() - began >= 0.1


async def test_refused_newcomers_do_not_disturb_the_others(echo_url: str) -> None:
    """Nobody listens any more, until it is mended: then at the same port."""
    async with FaultProxy(echo_url) as proxy, client_of(proxy) as (reader, writer):
        await said_back(reader, writer, b"before")
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said_back(reader, writer, b"during") == b"during"
        await proxy.mend()
        async with client_of(proxy) as (other_reader, other_writer):
            assert await said_back(other_reader, other_writer, b"after") == b"after"


async def test_server_that_is_not_there_is_a_closed_connection() -> None:
    """The proxy lets in, finds nobody, and hangs up."""
    async with FaultProxy("mongodb://127.0.0.1:1/") as proxy, client_of(proxy) as (reader, _):
        assert await reader.read() == b""


async def test_leaving_closes_everything(echo_url: str) -> None:
    """No task and no connection outlives the block."""
    async with FaultProxy(echo_url) as proxy, client_of(proxy) as (reader, writer):
        await said_back(reader, writer, b"x")
        await proxy.__aexit__()
        assert proxy.connections == 0
        assert await reader.read() == b""


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
async def test_delay_that_makes_no_sense_is_refused(seconds: float) -> None:
    """A delay that never ends is called a stall."""
    with pytest.raises(ValueError, match="A delay of"):
        FaultProxy("mongodb://127.0.0.1:1/").delay(seconds)


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "http://127.0.0.1/"])
async def test_url_without_a_known_server_is_refused(url: str) -> None:
    """A file has no wire."""
    with pytest.raises(ValueError, match="There is no wire to"):
        FaultProxy(url)


async def test_url_through_a_proxy_keeps_everything_but_the_address(echo_url: str) -> None:
    """User, password, database and options stay; a directory of sockets gives way to the port."""
    async with FaultProxy(echo_url) as proxy:
        shown = proxy.through("postgresql+asyncpg://me:hush@/shop?host=/run/pg&ssl=disable")

        assert shown == f"postgresql+asyncpg://me:hush@127.0.0.1:{proxy.port}/shop?ssl=disable"


async def test_proxy_without_a_port_says_what_is_missing() -> None:
    """Nobody connects to port 0 and wonders."""
    with pytest.raises(RuntimeError, match="async with FaultProxy"):
        FaultProxy("mongodb://127.0.0.1:1/").through("mongodb://127.0.0.1:1/")


@asynccontextmanager
async def pooled(proxy: FaultProxy, url: str, **pool: Any) -> AsyncIterator[AsyncEngine]:
    """Give an engine with one connection in its pool, opened through the proxy."""
    settings = PoolSettings(size=1, max_overflow=0, **pool)
    engine = build_engine(proxy.through(url), pool=settings, timeouts=Timeouts(connect_s=1))
    try:
        async with asyncio.timeout(GUARD_S):
            await check_connection(engine)
            yield engine
    finally:
        await engine.dispose()


@ON_SERVERS
async def test_pre_ping_replaces_a_connection_that_was_cut(backend: Backend, database_url: str) -> None:
    """The caller notices nothing: the ping fails, and a new connection takes its place."""
    async with FaultProxy(database_url) as proxy, pooled(proxy, database_url) as engine:
        proxy.cut()
        await check_connection(engine)

        assert proxy.connections_made == 2


@ON_SERVERS
async def test_without_a_ping_one_caller_meets_the_cut(backend: Backend, database_url: str) -> None:
    """The first use fails as "no connection", and SQLAlchemy throws the connection away; the next succeeds."""
    async with (
        FaultProxy(database_url) as proxy,
        pooled(proxy, database_url, pre_ping=False) as engine,
    ):
        proxy.cut()
        await asyncio.sleep(0.01)
        with pytest.raises(exc.DBAPIError) as caught:
            await check_connection(engine)
        await check_connection(engine)

        assert caught.value.connection_invalidated
        assert trouble_behind(caught.value) is Trouble.NO_CONNECTION


@ON_SERVERS
@pytest.mark.parametrize("is_old", [True, False])
async def test_recycle_helps_only_against_age(backend: Backend, database_url: str, is_old: bool) -> None:
    """A connection older than recycle_s is replaced without a look; a young one that was cut is not."""
    async with (
        FaultProxy(database_url) as proxy,
        pooled(proxy, database_url, pre_ping=False, recycle_s=600) as engine,
    ):
        if is_old:
            with aged(engine, 601):
                await check_connection(engine)
        proxy.cut()
        await asyncio.sleep(0.01)
        if is_old:
            await check_connection(engine)
        else:
            with pytest.raises(exc.DBAPIError):
                await check_connection(engine)


class aged:  # noqa: N801  (reads as a block)
    """Make the connections that come back meanwhile look older, by so many seconds."""

    def __init__(self, engine: AsyncEngine, seconds: float) -> None:
        self._engine, self._seconds = engine.sync_engine, seconds

    def __enter__(self) -> None:
        event.listen(self._engine, "checkin", self._age)

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "checkin", self._age)

    def _age(self, _connection: Any, record: Any) -> None:
        record.starttime -= self._seconds


@ON_SERVERS
async def test_ping_is_no_help_against_a_stalled_server(backend: Backend, database_url: str) -> None:
    """Nobody hangs up, so the ping waits as the query would; only a limit on the waiting ends it."""
    async with FaultProxy(database_url) as proxy, pooled(proxy, database_url) as engine:
        proxy.stall()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await check_connection(engine)
        await proxy.mend()
        await check_connection(engine)


@ON_SERVERS
async def test_refused_connection_is_no_connection(backend: Backend, database_url: str) -> None:
    """The pool is empty after the cut, and nobody listens: one line, and a 503."""
    async with FaultProxy(database_url) as proxy, pooled(proxy, database_url) as engine:
        proxy.refuse()
        proxy.cut()
        with pytest.raises((DatabaseUnreachableError, exc.DBAPIError)) as caught:
            await check_connection(engine)

        assert trouble_behind(caught.value) is Trouble.NO_CONNECTION
        await proxy.mend()
        await check_connection(engine)


@pytest.fixture(scope="module")
def mongo() -> Iterator[EmbeddedMongo]:
    """Give the embedded server."""
    with EmbeddedMongo() as server:
        yield server


async def test_socket_timeout_ends_the_wait_for_a_stalled_mongodb(mongo: EmbeddedMongo) -> None:
    """`socketTimeoutMS` closes the connection; after the mending the client goes on."""
    async with FaultProxy(mongo.url) as proxy, asyncio.timeout(GUARD_S):
        client = make_client(
            proxy.through(mongo.url), socketTimeoutMS=200, retryReads=False, serverSelectionTimeoutMS=3_000
        )
        try:
            await client.shop.things.insert_one({"_id": 1})
            proxy.stall()
            with pytest.raises(Exception, match="timed out") as caught:
                await client.shop.things.find_one({"_id": 1})
            await proxy.mend()

            assert type(caught.value).__name__ == "NetworkTimeout"
            assert trouble_behind(caught.value) is Trouble.TIMED_OUT
            assert await client.shop.things.find_one({"_id": 1}) == {"_id": 1}
        finally:
            client.close()
