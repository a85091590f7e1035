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
from tests.services.own_brokers import own_nats  # noqa: F401 - a fixture
from tests.services.test_split_serving import own_rabbit  # noqa: F401 - a fixture

SERVICES = (*NAMES, "catalog")


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


async def _until(true: Any) -> None:
    """Wait for what is told by events; a guard against waiting for ever."""
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110 - it happens in other tasks and on servers
            await asyncio.sleep(0.05)
