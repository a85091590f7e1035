"""The catalogue's life: on its embedded server, over restarts, without a server, with a damaged one, on a fake."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId
from fastapi import FastAPI
from mongomock_motor import AsyncMongoMockClient
from pydantic import SecretStr

from lab_support.documents.client import get_database
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.types import Driver
from lab_support.documents.validators import applied_validator
from lab_support.pools import DatabaseUnreachableError
from lab_support.services.catalog import api
from lab_support.services.catalog.entities import COLLECTION, INDEXES, VALIDATOR
from lab_support.services.catalog.lifespan import backfill_catalog, catalog_database
from lab_support.services.catalog.seed import PRODUCTS as SEEDED
from lab_support.services.catalog.seed import old_documents
from lab_support.services.relational import StartError
from lab_support.services.web import new_app
from lab_support.settings import Settings
from tests.documents.databases import DRIVERS
from tests.services.catalog.conftest import catalog_app, client_for
from tests.services.catalog.examples import PRODUCTS, a_book, a_tshirt, created


async def skus(client: httpx.AsyncClient) -> list[str]:
    return [one["sku"] for one in (await client.get(PRODUCTS)).json()["items"]]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_new_catalogue_has_rules_indexes_and_a_few_products(driver: Driver) -> None:
    """Without any setting it runs on an embedded server of its own."""
    app = catalog_app(Settings(mongodb_driver=driver))
    async with app.router.lifespan_context(app), client_for(app) as client:
        database = app.state.documents

        assert await skus(client) == [one.sku for one in SEEDED]
        assert (await applied_validator(database, COLLECTION)) == VALIDATOR
        names = set(await database[COLLECTION].index_information())
        assert names == {"_id_"} | {index.name for index in INDEXES}


async def test_products_survive_a_restart(tmp_path: Path) -> None:
    """With a data folder; the second start changes nothing and seeds nothing."""
    for expected in (1, 2):
        app = catalog_app(Settings(data=tmp_path, demo_data=False))
        async with app.router.lifespan_context(app), client_for(app) as client:
            await created(client, a_tshirt(sku=f"TEE-{expected}"))
            assert await skus(client) == [f"TEE-{number}" for number in range(1, expected + 1)]


async def test_backfill_by_command_is_what_the_next_start_finds(tmp_path: Path) -> None:
    """It tells how far it is, and a second one has nothing to do."""
    settings, told = Settings(data=tmp_path, demo_data=False), list[tuple[int, int]]()
    async with catalog_database(settings) as database:
        await database[COLLECTION].insert_many(old_documents(5))

    first = await backfill_catalog(settings, lambda *so_far: told.append(so_far))
    second = await backfill_catalog(settings)

    assert (first.changed, first.failed, told[-1], second.changed) == (5, {}, (5, 5), 0)


async def test_catalogue_without_its_server_does_not_start() -> None:
    """The error says where it looked, without the password."""
    url = "mongodb://ada:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=50"
    app = catalog_app(Settings(mongodb_url=SecretStr(url)))

    with pytest.raises(DatabaseUnreachableError, match="LAB_MONGODB_URL") as caught:
        async with app.router.lifespan_context(app):
            pytest.fail("there is no server")
    assert "s3cret" not in str(caught.value)


async def test_catalogue_with_two_products_of_one_sku_does_not_start(tmp_path: Path) -> None:
    """A unique index that the data breaks is told, and not left out."""
    settings = Settings(data=tmp_path)
    async with catalog_database(settings) as database:
        await database[COLLECTION].insert_many([{"sku": "A"}, {"sku": "A"}])
    app = catalog_app(settings)

    with pytest.raises(StartError, match="same sku"):
        async with app.router.lifespan_context(app):
            pytest.fail("the index is not unique")


async def test_lost_server_is_service_unavailable() -> None:
    """503 with a time to try again, and not a word of the driver's."""
    with EmbeddedMongo() as server:
        url = f"{server.url}?serverSelectionTimeoutMS=50"
        app = catalog_app(Settings(mongodb_url=SecretStr(url)))
        async with app.router.lifespan_context(app), client_for(app) as client:
            server.close()
            answer = await client.get(PRODUCTS)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert not {"mongo", "127.0.0.1", "Topology"} & set(answer.text.split())


@pytest.mark.parametrize(("code", "status"), [(50, 504), (112, 503), (18, 503), (14031, 503), (8000, 500)])
async def test_error_of_the_server_becomes_its_status(code: int, status: int) -> None:
    """Told by its number: a limit exceeded is 504, an unexpected error 500 without a detail."""
    with EmbeddedMongo() as server:
        app = catalog_app(Settings(mongodb_url=SecretStr(f"{server.url}?retryReads=false")))
        async with app.router.lifespan_context(app), client_for(app) as client:
            fail = {"failCommands": ["find"], "errorCode": code}
            admin = app.state.documents.client.admin
            await admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
            answer = await client.get(PRODUCTS)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_routes_run_on_a_fake_database() -> None:
    """A dependency is overridden, and nothing connects: the lifespan is not even run."""
    app: FastAPI = new_app("The catalogue", lambda _app: _nothing())
    app.include_router(api.router)
    api.install_errors(app)
    fake: Any = AsyncMongoMockClient(tz_aware=True)["fake"]
    app.dependency_overrides[get_database] = lambda: fake
    async with client_for(app) as client:
        (book,) = await created(client, a_book())
        changed = await client.patch(f"{PRODUCTS}/{book['id']}", json={"name": "Other"})
        missing = await client.get(f"{PRODUCTS}/{ObjectId()}")

        assert (changed.status_code, changed.json()["name"], missing.status_code) == (200, "Other", 404)
        assert (await client.delete(f"{PRODUCTS}/{book['id']}")).status_code == 204


def _nothing() -> Any:
    raise AssertionError("the lifespan was run")
