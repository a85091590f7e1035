"""One story through all services: the catalogue tells of its products, Orders sells at its prices, both sides count."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab_support.services import running_app
from lab_support.services.catalog.seed import PRODUCT_IDS
from lab_support.services.catalog.seed import PRODUCTS as SEEDED
from lab_support.services.inventory.seed import STOCK
from lab_support.services.orders.seed import PRICES
from lab_support.settings import Settings
from tests.services.catalog.examples import PRODUCTS, a_tshirt

LIMIT_S = 60.0


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the whole shop with its demo data."""
    async with running_app(Settings(data=tmp_path_factory.mktemp("shop"))) as client:
        yield client


async def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Look again and again until it is as wanted: others have to hear of it first."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = await look()
            if wanted(found):
                return found
            await asyncio.sleep(0.02)


async def price_of(client: httpx.AsyncClient, sku: str) -> Any:
    prices = {one["sku"]: one for one in (await client.get("/prices")).json()}
    return prices.get(sku)


async def test_price_change_in_the_catalogue_reaches_the_next_order(client: httpx.AsyncClient) -> None:
    """And an order that was taken before keeps the price that it was taken at."""
    order = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "TEE-1-M", "quantity": 1}]}
    before = (await client.post("/orders", json=order)).json()
    shirt = f"{PRODUCTS}/{PRODUCT_IDS['TEE-1-M']}"

    changed = await client.patch(shirt, json={"price": "12.00"})

    assert changed.status_code == 200
    await until(lambda: price_of(client, "TEE-1-M"), lambda price: price["unit_price"] == "12.00")
    after = (await client.post("/orders", json=order)).json()
    assert (before["total"], after["total"]) == ("14.90", "12.00")
    kept = (await client.get(f"/orders/{before['order_id']}")).json()
    assert kept["lines"][0]["unit_price"] == "14.90"


async def test_new_product_can_be_ordered_and_discontinued_one_cannot(client: httpx.AsyncClient) -> None:
    made = await client.post(PRODUCTS, json=a_tshirt(sku="TEE-NEW", price="5.00"))
    await until(lambda: price_of(client, "TEE-NEW"), bool)

    assert (await client.delete(made.headers["location"])).status_code == 204

    await until(lambda: price_of(client, "TEE-NEW"), lambda price: price is None)
    order = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "TEE-NEW", "quantity": 1}]}
    assert (await client.post("/orders", json=order)).status_code == 404


async def test_order_is_counted_by_the_catalogue_and_noted_by_customers(client: httpx.AsyncClient) -> None:
    order = {"customer_id": "grace", "pay_by": "card", "items": [{"sku": "BOOK-1", "quantity": 3}]}
    taken = (await client.post("/orders", json=order)).json()

    async def book() -> Any:
        return (await client.get(f"{PRODUCTS}/{PRODUCT_IDS['BOOK-1']}")).json()

    async def grace() -> Any:
        return (await client.get("/customers/grace")).json()

    await until(book, lambda found: found["times_ordered"] == 1)
    await until(grace, lambda found: found["last_order_id"] == taken["order_id"])


async def test_catalogue_alone_keeps_what_it_has_to_tell_until_orders_runs(tmp_path: Path) -> None:
    """The bus keeps it: Orders hears of the change when it starts, however long after."""
    settings = Settings(data=tmp_path)
    async with running_app(settings, only=["catalog"]) as client:
        address = f"{PRODUCTS}/{PRODUCT_IDS['MON-27']}"
        assert (await client.patch(address, json={"price": "333.00"})).status_code == 200
    async with running_app(settings, only=["catalog", "orders"]) as client:
        await until(lambda: price_of(client, "MON-27"), lambda price: price["unit_price"] == "333.00")


def test_demo_data_of_the_services_agree() -> None:
    """What Orders has before the first event is what the first event will say; all of it is in stock, or known."""
    told = {one.sku: (str(PRODUCT_IDS[one.sku]), one.name, one.price) for one in SEEDED}

    assert {sku: PRICES[sku] for sku in told} == told
    assert STOCK.keys() == PRICES.keys()
