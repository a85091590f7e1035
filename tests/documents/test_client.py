"""A client's life: made, asked for a sign of life, shared by all requests, closed whatever happens."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from pymongo.errors import InvalidOperation

from lab_support.documents.client import (
    OPTIONS,
    get_collection,
    get_database,
    make_client,
    masked_mongo,
    mongo_client,
)
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.types import Collection, Database, Driver
from lab_support.pools import DatabaseUnreachableError
from tests.documents.databases import DRIVERS, fresh_database, mongo_url  # noqa: F401 - a fixture

each_driver = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture
def closed_url() -> str:
    """Give the URL of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"mongodb://ada:s3cret@127.0.0.1:{listening.getsockname()[1]}/shop?authSource=admin"


@each_driver
async def test_open_client_reads_what_it_wrote(mongo_url: str, driver: Driver) -> None:  # noqa: F811
    """Times come back aware, in UTC."""
    now = datetime.now(UTC).replace(microsecond=0)
    async with mongo_client(mongo_url, driver=driver) as client, fresh_database(client) as database:
        await database["things"].insert_one({"_id": 1, "at": now})

        assert await database["things"].find_one({"_id": 1}) == {"_id": 1, "at": now}


@each_driver
async def test_client_is_closed_when_the_block_fails(mongo_url: str, driver: Driver) -> None:  # noqa: F811
    """Whoever kept it can do nothing with it."""
    with pytest.raises(ZeroDivisionError):
        async with mongo_client(mongo_url, driver=driver) as client:
            raise ZeroDivisionError

    with pytest.raises(InvalidOperation):
        await client.admin.command("ping")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@each_driver
async def test_client_without_a_server_fails_at_the_start(closed_url: str, driver: Driver) -> None:
    """In its time limit, with one line that tells no password.

    AsyncMongoClient, closed while its monitor connects, leaves that socket to the garbage collector: hence the filter.
    """
    with pytest.raises(DatabaseUnreachableError, match="LAB_MONGODB_URL") as caught:
        async with mongo_client(closed_url, driver=driver, serverSelectionTimeoutMS=100):
            pytest.fail("nobody has answered")

    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "ada:***@127.0.0.1" in str(caught.value)
    del caught
    gc.collect()  # here, where the warning is expected


@each_driver
async def test_client_that_was_only_made_has_not_connected(driver: Driver) -> None:
    """So making one proves nothing; its first operation connects."""
    with EmbeddedMongo() as server:
        client = make_client(server.url, driver=driver)
        made = server.connections_made
        await client.admin.command("ping")
        asked = server.connections_made
        closing = client.close()
        if closing is not None:
            await closing

    assert made == 0
    assert asked > 0


async def test_url_wins_over_the_defaults_and_arguments_over_the_url() -> None:
    """An option is taken from where it was said most deliberately."""
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=70&waitQueueTimeoutMS=80"
    client = make_client(url, driver="pymongo", waitQueueTimeoutMS=90)
    try:
        assert client.options.server_selection_timeout == 0.07
        assert client.options.pool_options.wait_queue_timeout == 0.09
        assert client.options.pool_options.connect_timeout == OPTIONS["connectTimeoutMS"] / 1000
    finally:
        await client.close()  # type: ignore[misc]


async def test_unknown_driver_is_refused() -> None:
    """By name, before anything is made."""
    with pytest.raises(ValueError, match="'mongoose'"):
        make_client("mongodb://127.0.0.1", driver="mongoose")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://h:1/db", "mongodb://h:1/db"),
        ("mongodb://ada:pw@h:1,i:2/db", "mongodb://ada:***@h:1,i:2/db"),
        ("mongodb://ada:p@w@h", "mongodb://ada:***@h"),
        ("mongodb+srv://ada:pw@h/?tlsCertificateKeyFilePassword=x", "mongodb+srv://ada:***@h/"),
    ],
)
def test_shown_url_has_no_secret(url: str, shown: str) -> None:
    """Neither a password nor an option."""
    assert masked_mongo(url) == shown


@asynccontextmanager
async def running(url: str, driver: Driver, **options: int) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with the two dependencies."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with mongo_client(url, driver=driver, **options) as client:
            app.state.documents = client["requests"]
            yield

    app = FastAPI(lifespan=lifespan)
    things = get_collection("things")

    @app.post("/things")
    async def count(
        things: Annotated[Collection, Depends(things)], database: Annotated[Database, Depends(get_database)]
    ) -> int:
        await things.insert_one({})
        return int(await database["things"].count_documents({}))

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://lab") as client,
    ):
        yield client


@each_driver
async def test_all_requests_share_one_pool(driver: Driver) -> None:
    """A hundred requests at once open no more connections than the pool may have."""
    with EmbeddedMongo() as server:
        async with running(server.url, driver, maxPoolSize=4) as client:
            answers = await asyncio.gather(*(client.post("/things") for _ in range(100)))
            pooled = server.connections
        assert sorted(answer.json() for answer in answers)[-1] == 100
        assert 1 < pooled <= 4 + 2  # and those of the monitor


async def test_application_without_a_database_says_so() -> None:
    """The error names what is missing in the lifespan."""
    app = FastAPI(title="Bare")

    @app.get("/")
    async def show(database: Annotated[Database, Depends(get_database)]) -> None: ...

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        with pytest.raises(RuntimeError, match=r"'Bare' has no document database.*app\.state\.documents"):
            await client.get("/")
