"""A MongoDB client's pool: options without "for ever" among them, and gauges like an SQLAlchemy pool's."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import ServerSelectionTimeoutError, WaitQueueTimeoutError

from lab_support.documents.client import make_client, mongo_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.types import Client, Driver
from lab_support.pools import PoolGauges
from lab_support.pools.mongo_gauges import mongo_gauges_of, mongo_held_longer_than
from lab_support.pools.mongo_options import MongoPoolSettings
from tests.documents.databases import DRIVERS

GUARD_S = 20
each_driver = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedMongo]:
    with EmbeddedMongo() as running:
        yield running


@asynccontextmanager
async def client_of(
    server: EmbeddedMongo, driver: Driver, **settings: Any
) -> AsyncIterator[tuple[Client, Any]]:
    async with mongo_client(server.url, driver=driver, pool=MongoPoolSettings(**settings)) as client:
        things: Any = client["pools"]["things"]
        await things.delete_many({})
        await things.insert_many([{"_id": number} for number in range(10)])
        yield client, things


@asynccontextmanager
async def held(client: Client, things: Any) -> AsyncIterator[None]:
    """Keep one connection: an exhaust cursor has its own until it is read to its end."""
    from pymongo import CursorType

    cursor = things.find({}, cursor_type=CursorType.EXHAUST, batch_size=2)
    await anext(cursor)
    try:
        yield
    finally:
        await cursor.close()


async def until(client: Client, holds: Callable[[PoolGauges], bool]) -> PoolGauges:
    async with asyncio.timeout(GUARD_S):
        while not holds(gauges := mongo_gauges_of(client)):  # noqa: ASYNC110  (a gauge tells nobody that it moved)
            await asyncio.sleep(0.001)
    return gauges


def test_no_wait_is_for_ever() -> None:
    """The drivers' own defaults have two that are: for a connection, and for an answer."""
    options = MongoPoolSettings().options()

    for name in (
        "waitQueueTimeoutMS",
        "connectTimeoutMS",
        "serverSelectionTimeoutMS",
        "socketTimeoutMS",
        "maxIdleTimeMS",
    ):
        assert 0 < options[name] <= 600_000


def test_operation_s_is_the_driver_s_own_limit_for_all() -> None:
    """It is left out unless asked for, since it takes the place of two others."""
    assert "timeoutMS" not in MongoPoolSettings().options()
    assert MongoPoolSettings(operation_s=2.5).options()["timeoutMS"] == 2500


async def test_driver_reads_the_options_as_they_are_meant() -> None:
    """By its own account."""
    pool = MongoPoolSettings(
        max_size=7, min_size=2, wait_s=1, connect_s=2, server_selection_s=3, socket_s=4, heartbeat_s=5
    )
    client = make_client("mongodb://127.0.0.1:1", driver="pymongo", pool=pool)
    options = client.options
    await client.close()  # type: ignore[misc]

    read = options.pool_options
    assert (read.max_pool_size, read.min_pool_size, read.wait_queue_timeout) == (7, 2, 1)
    assert (read.connect_timeout, read.socket_timeout, read.max_idle_time_seconds) == (2, 4, 600)
    assert (options.server_selection_timeout, options.heartbeat_frequency) == (3, 5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_size": 0}, "max_size is 0; give 1 or more: the driver takes 0 for no limit"),
        ({"min_size": -1}, "min_size is -1; give a number from 0 to max_size, 100"),
        ({"max_size": 5, "min_size": 6}, "min_size is 6; give a number from 0 to max_size, 5"),
        ({"wait_s": 0}, "wait_s is 0; give seconds"),
        ({"wait_s": 0.0001}, "wait_s is 0.0001; give seconds"),
        ({"socket_s": float("inf")}, "socket_s is inf; give seconds"),
        ({"connect_s": float("nan")}, "connect_s is nan; give seconds"),
        ({"max_idle_s": -1}, "max_idle_s is -1; give seconds"),
        ({"heartbeat_s": 0.1}, "heartbeat_s is 0.1; the drivers take 0.5 s or more"),
    ],
)
def test_option_that_makes_no_sense_is_refused(wrong: dict[str, float], said: str) -> None:
    """With its name, and what to give instead; a wait that rounds to 0 ms would be for ever."""
    with pytest.raises(ValueError, match=f"MongoPoolSettings.{said}"):
        MongoPoolSettings(**wrong)  # type: ignore[arg-type]


@each_driver
async def test_gauges_follow_connections_out_and_back(server: EmbeddedMongo, driver: Driver) -> None:
    """The same shape as for SQLAlchemy's pool."""
    async with client_of(server, driver, max_size=3) as (client, things):
        before = mongo_gauges_of(client)
        async with held(client, things):
            during = mongo_gauges_of(client)
            holders = mongo_held_longer_than(client, -1)
        after = await until(client, lambda gauges: gauges.checked_out == 0)

    assert (before.checked_out, before.idle, before.limit) == (0, 1, 3)
    assert (during.checked_out, during.idle) == (1, 0)
    assert len(holders) == 1
    assert holders[0].name
    assert after.checkouts == after.waits.count == before.checkouts + 1
    assert (after.timeouts, after.failures, after.waiting) == (0, 0, 0)


@each_driver
async def test_who_waits_is_seen_and_waits_twice_in_vain(server: EmbeddedMongo, driver: Driver) -> None:
    """The driver retries a read once, so `waitQueueTimeoutMS` is only half of what the second one waits."""
    async with (
        client_of(server, driver, max_size=1, wait_s=0.3) as (client, things),
        held(client, things),
    ):
        second = asyncio.ensure_future(things.find_one({"_id": 1}))
        waiting = await until(client, lambda gauges: gauges.waiting == 1)
        with pytest.raises(WaitQueueTimeoutError):
            await second
        after = mongo_gauges_of(client)

    assert (waiting.timeouts, waiting.checked_out) == (0, 1)
    assert (after.timeouts, after.waiting, after.checked_out) == (2, 0, 1)
    assert after.waits.longest_s >= 0.25


@each_driver
async def test_hundred_operations_leave_nothing_out(server: EmbeddedMongo, driver: Driver) -> None:
    """The counts add up, whichever thread told them."""
    async with client_of(server, driver, max_size=4) as (client, things):
        before = mongo_gauges_of(client)
        await asyncio.gather(*(things.find_one({"_id": number % 10}) for number in range(100)))
        after = await until(client, lambda gauges: gauges.checked_out == 0)

    assert after.checkouts - before.checkouts == 100
    assert (after.waiting, after.opening, after.timeouts, after.failures) == (0, 0, 0, 0)
    assert after.idle == after.connects - after.closes <= 4


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # see test_client_without_a_server_fails_at_the_start
@each_driver
async def test_server_that_is_gone_costs_no_longer_than_its_limit(driver: Driver) -> None:
    """`serverSelectionTimeoutMS` is the limit, and no connection counts as waited for."""
    client = make_client(
        "mongodb://127.0.0.1:9", driver=driver, pool=MongoPoolSettings(server_selection_s=0.2)
    )
    with pytest.raises(ServerSelectionTimeoutError):
        await client.admin.command("ping")
    gauges = mongo_gauges_of(client)
    closing: Any = client.close()
    if closing is not None:
        await closing

    assert (gauges.connects, gauges.checked_out, gauges.waiting) == (0, 0, 0)
    del client, closing
    gc.collect()  # here, where the warning is expected


async def test_client_without_gauges_is_named() -> None:
    """With what to do about it."""
    client: AsyncMongoClient[Any] = AsyncMongoClient("mongodb://127.0.0.1:9", connect=False)
    with pytest.raises(TypeError, match="AsyncMongoClient has no gauges"):
        mongo_gauges_of(client)
    await client.close()
