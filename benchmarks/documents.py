"""What the embedded MongoDB costs beside a server that only repeats fixed answers, and the repository beside Motor."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from decimal import Decimal

import bson
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient

from benchmarks.ratios import Ratio, compare, ratio
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.types import Client
from lab_support.services.store.entities import Product
from lab_support.services.store.repository.mongo import MongoProductRepository

START = "from lab_support.documents.embedded import EmbeddedMongo; EmbeddedMongo().start()"
MONGOMOCK = "import mongomock"
IDENTITY = ObjectId("0123456789ab0123456789ab")
LAMP = {"_id": IDENTITY, "sku": "LAMP-1", "name": "lamp", "units": 3}
HELLO = {
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16_777_216,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "ok": 1.0,
}
FOUND = {"cursor": {"firstBatch": [LAMP], "id": 0, "ns": "shop.things"}, "ok": 1.0}
OP_QUERY, OP_MSG, OP_REPLY = 2004, 2013, 1


def ratios() -> list[Ratio]:
    """Measure all of it."""
    return [start_beside_mongomock(), *asyncio.run(_ratios()), connections_beside_one()]


def start_beside_mongomock(pairs: int = 7) -> Ratio:
    """Compare importing and starting the server with importing mongomock alone, in fresh processes, in turn."""
    found = [_seconds(START) / _seconds(MONGOMOCK) for _ in range(pairs + 1)]
    return ratio("import and start the embedded MongoDB : import mongomock", found[1:], None)


async def _ratios() -> list[Ratio]:
    with EmbeddedMongo() as server, _canned_answers() as canned:
        async with _motor(server.url) as ours, _motor(canned) as plain:
            await ours.shop.things.insert_one(LAMP)
            return [
                _start_alone(),
                await compare(
                    "find_one by id, embedded : canned answer",
                    lambda: ours.shop.things.find_one({"_id": IDENTITY}),
                    lambda: plain.shop.things.find_one({"_id": IDENTITY}),
                    limit=2.0,
                    each=100,
                ),
                await compare(
                    "insert_one, embedded : canned answer",
                    lambda: ours.shop.lamps.insert_one({"sku": "LAMP-1", "units": 3}),
                    lambda: plain.shop.lamps.insert_one({"sku": "LAMP-1", "units": 3}),
                    limit=2.0,
                    each=100,
                ),
                await _long_list_beside_short(ours),
                await _repository_beside_motor(ours),
            ]


def _start_alone() -> Ratio:
    """Compare starting, once imported, with half the import of mongomock in a fresh process."""
    began = time.perf_counter()
    with EmbeddedMongo():
        took = time.perf_counter() - began
    return ratio("start the embedded MongoDB : import mongomock", [took / _seconds(MONGOMOCK)], 0.5)


async def _long_list_beside_short(client: Client) -> Ratio:
    await client.shop.short.insert_many({"n": number, "name": "lamp"} for number in range(250))
    await client.shop.long.insert_many({"n": number, "name": "lamp"} for number in range(1000))

    async def four_short_lists() -> None:
        for _ in range(4):
            await client.shop.short.find().to_list(None)

    return await compare(
        "list of 1,000 documents : four of 250",
        lambda: client.shop.long.find().to_list(None),
        four_short_lists,
        limit=1.2,
        each=3,
    )


async def _repository_beside_motor(client: Client) -> Ratio:
    products = MongoProductRepository(client.shop.products)
    made = await products.create(Product(name="lamp", price=Decimal("9.90"), stock=3))
    return await compare(
        "get_by_id, Mongo repository : bare Motor",
        lambda: products.get_by_id(made.id),
        lambda: client.shop.products.find_one({"_id": made.id}),
        limit=1.2,
        each=100,
    )


def connections_beside_one() -> Ratio:
    """Compare a ping while 100 clients are connected with one while none is."""
    with EmbeddedMongo() as server, ExitStack() as stack, MongoClient(server.url) as client:
        alone = _pings(client)
        for _ in range(50):  # each has a connection for commands and one that watches the server
            stack.enter_context(MongoClient(server.url)).admin.command("ping")
        return ratio("ping beside 100 connections : alone", [_pings(client) / alone for _ in range(7)], None)


def _pings(client: MongoClient[dict[str, object]]) -> float:
    began = time.perf_counter()
    for _ in range(200):
        client.admin.command("ping")
    return time.perf_counter() - began


@asynccontextmanager
async def _motor(url: str) -> AsyncIterator[Client]:
    client: Client = AsyncIOMotorClient(url)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _canned_answers() -> Iterator[str]:
    """Serve answers that were encoded beforehand; nothing is decoded, checked or kept."""
    ports: list[int] = []
    ready = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop.append((asyncio.get_running_loop(), asyncio.Event()))
        listening = await asyncio.start_server(_repeat, "127.0.0.1", 0)
        ports.append(listening.sockets[0].getsockname()[1])
        ready.set()
        await stop[0][1].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"mongodb://127.0.0.1:{ports[0]}/"
    finally:
        stop[0][0].call_soon_threadsafe(stop[0][1].set)
        thread.join()


async def _repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answers = {
        name: b"\0" * 5 + bson.encode(body)
        for name, body in ((b"find\0", FOUND), (b"insert\0", {"n": 1, "ok": 1.0}))
    }
    hello, hello_by_query = (
        b"\0" * 5 + bson.encode(HELLO),
        struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(HELLO),
    )
    try:
        while True:
            length, number, _, opcode = struct.unpack("<iiii", await reader.readexactly(16))
            payload = await reader.readexactly(length - 16)
            known = (answer for name, answer in answers.items() if name in payload[:24])
            body = hello_by_query if opcode == OP_QUERY else next(known, hello)
            answered = OP_REPLY if opcode == OP_QUERY else OP_MSG
            writer.write(struct.pack("<iiii", 16 + len(body), 1, number, answered) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


def _seconds(statement: str) -> float:
    script = f"import time; began = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)
