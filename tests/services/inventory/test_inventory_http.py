"""Inventory over HTTP, as a bare application."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select

from lab_support.services.inventory import api
from lab_support.services.inventory.entities import Stock
from lab_support.services.inventory.seed import seed
from lab_support.services.web import new_app
from tests.services.inventory.stock_world import StockWorld, failed, paid

LAMP = "/inventory/stock/LAMP-7"


@pytest.fixture
async def client(world: StockWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


@asynccontextmanager
async def client_of(world: StockWorld) -> AsyncIterator[httpx.AsyncClient]:
    app = new_app("Inventory", lambda _app: nothing())
    app.include_router(api.router)
    api.install_errors(app)
    app.state.sessions = world.sessions
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client


def nothing() -> Any:
    raise AssertionError("no lifespan is run")


async def test_product_shows_what_is_available_and_what_is_reserved(
    client: httpx.AsyncClient, world: StockWorld
) -> None:
    await world.hear(paid(uuid4(), {"LAMP-7": 2}), paid(uuid4(), {"LAMP-7": 9}))

    answer = await client.get(LAMP)

    assert answer.json() == {"sku": "LAMP-7", "available": 3, "reserved": 2, "discontinued": False}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_unknown_product_is_404_with_the_way_on(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/inventory/stock/NONE-1")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "PUT adds it" in answer.json()["detail"]


async def test_put_adds_a_product_and_then_changes_it(client: httpx.AsyncClient) -> None:
    new = await client.put("/inventory/stock/NEW-1", json={"available": 7})
    same = await client.put("/inventory/stock/NEW-1", json={"available": 8, "discontinued": True})

    assert (new.status_code, same.status_code) == (201, 200)
    assert new.json() == {"sku": "NEW-1", "available": 7, "reserved": 0, "discontinued": False}
    assert (await client.get("/inventory/stock/NEW-1")).json() == same.json()
    assert same.json() == {"sku": "NEW-1", "available": 8, "reserved": 0, "discontinued": True}


async def test_deleted_product_stops_a_release_until_it_is_back(
    client: httpx.AsyncClient, world: StockWorld
) -> None:
    """The experiment of 13.6: the world moves on between a reservation and its compensation."""
    order = uuid4()
    await world.hear(paid(order, {"LAMP-7": 2}))
    gone = await client.delete(LAMP)
    await world.hear(failed(order, "release-stock"))
    await world.compensate()

    assert gone.status_code == 204
    assert (await client.get(LAMP)).status_code == 404
    assert await world.task(order) == ("REQUIRES_REVIEW", 1, "PRODUCT_GONE")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"available": -1},
        {"available": 1.5},
        {"available": "7"},
        {"available": 10**12},
        {"available": None},
        {"available": 1, "discontinued": "no"},
        {"available": 1, "reserved": 3},
    ],
    ids=["empty", "negative", "fraction", "text", "enormous", "null", "no-bool", "unknown-field"],
)
async def test_hostile_stock_is_422_and_changes_nothing(client: httpx.AsyncClient, body: Any) -> None:
    answer = await client.put(LAMP, content=json.dumps(body))

    assert answer.status_code == 422
    assert (await client.get(LAMP)).json()["available"] == 5


@pytest.mark.parametrize("sku", ["lamp-7", "A" * 65, "LAMP%207", "%00"])
async def test_impossible_sku_is_422(client: httpx.AsyncClient, sku: str) -> None:
    assert (await client.put(f"/inventory/stock/{sku}", json={"available": 1})).status_code == 422


async def test_stock_is_listed_in_pages(client: httpx.AsyncClient, world: StockWorld) -> None:
    await world.hear(paid(uuid4(), {"LAMP-7": 2}))

    first = (await client.get("/inventory/stock", params={"limit": 2})).json()
    second = (await client.get("/inventory/stock", params={"after": first["next"]})).json()

    found = first["items"] + second["items"]
    assert [one["sku"] for one in found] == ["DESK-1", "LAMP-7", "OLD-1"]
    assert [one["reserved"] for one in found] == [0, 2, 0]
    assert second["next"] is None


async def test_product_looks_the_same_on_each_engine(lasting: StockWorld) -> None:
    sku = f"S-{uuid4()}".upper()
    async with client_of(lasting) as client:
        new = await client.put(f"/inventory/stock/{sku}", json={"available": 4})
        await lasting.hear(paid(uuid4(), {sku: 1}), paid(uuid4(), {sku: 1}))
        found = (await client.get(f"/inventory/stock/{sku}")).json()
        gone = await client.delete(f"/inventory/stock/{sku}")

    assert (new.status_code, gone.status_code) == (201, 204)
    assert (found["available"], found["reserved"]) == (2, 2)


async def test_seed_fills_an_empty_warehouse_and_leaves_others_alone(world: StockWorld) -> None:
    await seed(world.sessions)
    async with world.sessions() as session:
        before = await session.scalar(select(func.count(Stock.sku)))
    for sku in ("LAMP-7", "DESK-1", "OLD-1"):
        await world.remove(sku)

    await seed(world.sessions)
    await seed(world.sessions)

    assert before == 3
    assert await world.available("LAMP-7", "DESK-1", "CHAIR-4", "MUG-2", "CABLE-9") == [40, 10, 25, 500, 0]
