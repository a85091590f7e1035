"""One story, told to shops on different databases and buses: nothing but settings differs.

Each shop runs in this process. `test_split_kill.py` tells a story to one in many processes.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from lab_support.services import create_app, running_app
from lab_support.services.buying import Buyer, Wish
from lab_support.services.split import NAMES
from lab_support.settings import Settings
from tests.services.own_brokers import own_nats, own_rabbit  # noqa: F401 - fixtures

SERVICES = (*NAMES, "catalog", "gateway")


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("own_rabbit", marks=[pytest.mark.postgres, pytest.mark.mariadb, pytest.mark.rabbitmq]),
        pytest.param("own_nats", marks=[pytest.mark.postgres, pytest.mark.mariadb, pytest.mark.nats]),
    ]
)
def made_of(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Everything in the box; or PostgreSQL, MariaDB, documents and files, with a broker between them."""
    if request.param == "embedded":
        return {}
    given = {"orders_url": "postgresql_url", "customers_url": "mariadb_url", "bus_url": request.param}
    return {name: request.getfixturevalue(fixture) for name, fixture in given.items()}


@pytest.fixture
async def shop(made_of: dict[str, Any], tmp_path: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    app = create_app(Settings.model_validate({"data": tmp_path / "data", **made_of}), only=SERVICES)
    async with running_app(app=app) as client:
        yield app, client


async def test_orders_end_as_they_should_whatever_the_shop_is_made_of(
    shop: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    """By credit and by card; refused for credit, stock and a blocked customer, and all made good."""
    _, client = shop
    buyer = Buyer(client=client)

    async def end(customer: str, pay_by: Any, **items: int) -> tuple[str, str]:
        wish = Wish(customer, pay_by, {sku.replace("_", "-"): pieces for sku, pieces in items.items()})
        order_id = await buyer.place(wish, f"{customer}-{pay_by}-{'-'.join(items)}")
        return order_id, await buyer.ended(order_id)

    async def books() -> tuple[str, str, int, int]:
        customer = (await client.get("/customers/ada")).json()
        stock = (await client.get("/inventory/stock/LAMP-7")).json()
        return customer["credit"], customer["reserved"], stock["available"], stock["reserved"]

    _, on_credit = await end("ada", "credit", LAMP_7=2)
    by_card = await end("ada", "card", LAMP_7=1)
    assert (on_credit, by_card[1]) == ("APPROVED", "CONFIRMED")
    assert await books() == ("950.20", "49.80", 37, 3)

    assert (await end("grace", "credit", DESK_1=1))[1] == "FAILED_NO_CREDIT"
    assert (await end("linus", "card", LAMP_7=1))[1] == "FAILED_VERIFICATION"
    assert (await end("ada", "credit", CABLE_9=1))[1] == "FAILED_NO_STOCK"
    rolled_back, ended = await end("ada", "card", LAMP_7=1, CABLE_9=1)
    assert ended == "FAILED_INVENTORY"

    async def made_good() -> bool:
        events = (await client.get(f"/orders/{rolled_back}/timeline")).json()["events"]
        refunded = "PaymentRefunded" in [one["type"] for one in events]
        return refunded and await books() == ("950.20", "49.80", 37, 3)

    await _until(made_good)


async def test_what_the_services_know_of_an_order_is_shown_together(
    shop: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    """Composed by the gateway, projected by its read model, and counted in the catalogue's documents."""
    _, client = shop
    buyer = Buyer(client=client)
    by_card = await buyer.place(Wish("ada", "card", {"BOOK-1": 2, "MON-27": 1}), "by-card")
    on_credit = await buyer.place(Wish("ada", "credit", {"BOOK-1": 1}), "on-credit")
    assert [await buyer.ended(by_card), await buyer.ended(on_credit)] == ["CONFIRMED", "APPROVED"]

    whole = await _whole(client, by_card)
    assert (whole["order"]["total"], whole["customer"]["name"]) == ("397.00", "Ada Lovelace")
    assert (whole["payment"]["amount"], whole["payment"]["status"]) == ("397.00", "CHARGED")
    assert (whole["reservation"]["status"], [one["sku"] for one in whole["stock"]]) == (
        "RESERVED",
        ["BOOK-1", "MON-27"],
    )
    assert [(one["sku"], one["price"]) for one in whole["products"]] == [
        ("BOOK-1", "24.00"),
        ("MON-27", "349.00"),
    ]
    assert (await _whole(client, on_credit))["payment"] is None

    async def counted() -> bool:
        products = (await client.get("/catalog/products")).json()["items"]
        return {one["sku"]: one["times_ordered"] for one in products} == {
            "MON-27": 1,
            "TEE-1-M": 0,
            "BOOK-1": 2,
        }

    async def summed_up() -> bool:
        page = (await client.get("/shop/summaries", params={"customer_id": "ada"})).json()
        told = [(one["order_id"], one["status"], one["payment"], one["stock"]) for one in page["items"]]
        return told == [
            (on_credit, "APPROVED", None, "RESERVED"),
            (by_card, "CONFIRMED", "CHARGED", "RESERVED"),
        ]

    await _until(counted)
    await _until(summed_up)


@pytest.mark.parametrize("made_of", ["embedded"], indirect=True)
async def test_product_that_the_catalogue_does_not_have_is_said_to_be_missing(
    shop: tuple[FastAPI, httpx.AsyncClient],
) -> None:
    """Orders sells lamps without the catalogue, in every shop; a credit order's payment is not missing."""
    _, client = shop
    buyer = Buyer(client=client)
    order_id = await buyer.place(Wish("ada", "credit", {"LAMP-7": 1, "BOOK-1": 1}), "lamp")
    await buyer.ended(order_id)

    async def lamp_alone() -> bool:
        answer = await client.get(f"/shop/orders/{order_id}")
        lamp = {"part": "products", "service": "catalog", "reason": "not-found", "of": ["LAMP-7"]}
        return answer.status_code == 200 and answer.json()["missing"] == [lamp]

    await _until(lamp_alone)


async def _whole(client: httpx.AsyncClient, order_id: str) -> dict[str, Any]:
    """Ask for an order until each part of the answer came in time: a machine may be busy."""
    found: dict[str, Any] = {}

    async def nothing_missing() -> bool:
        answer = await client.get(f"/shop/orders/{order_id}")
        found.update(answer.json())
        return answer.status_code == 200 and found["missing"] == []

    await _until(nothing_missing)
    return found


async def _until(true: Any) -> None:
    """Wait for what is told by events; a guard against waiting for ever."""
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110 - it happens in other tasks and on servers
            await asyncio.sleep(0.05)
