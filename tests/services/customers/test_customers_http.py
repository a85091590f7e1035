"""Customers over HTTP, as a bare application."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select

from lab_support.services.customers import api
from lab_support.services.customers.entities import Customer
from lab_support.services.customers.seed import seed
from lab_support.services.web import new_app
from tests.services.customers.customer_world import CustomerWorld, created

GRACE = {"customer_id": "grace", "name": "Grace", "email": "grace@example.com", "credit": "50.00"}


@pytest.fixture
async def client(world: CustomerWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


@asynccontextmanager
async def client_of(world: CustomerWorld) -> AsyncIterator[httpx.AsyncClient]:
    app = new_app("Customers", lambda _app: nothing())
    app.include_router(api.router)
    api.install_errors(app)
    app.state.sessions = world.sessions
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client


def nothing() -> Any:
    raise AssertionError("no lifespan is run")


async def test_customer_shows_what_is_left_and_what_is_reserved(
    client: httpx.AsyncClient, world: CustomerWorld
) -> None:
    older = [created(uuid4(), "0.10"), created(uuid4(), "0.20")]
    last = created(uuid4(), "500.00")
    await world.hear(*older, last)

    answer = await client.get("/customers/ada")

    assert answer.json() == {
        "customer_id": "ada",
        "name": "ada",
        "credit": "99.70",
        "reserved": "0.30",
        "blocked": False,
        "last_order_id": last.payload["order_id"],
        "last_order_at": last.occurred_at.isoformat().replace("+00:00", "Z"),
    }


async def test_unknown_customer_is_404_with_the_way_on(client: httpx.AsyncClient) -> None:
    answer = await client.get("/customers/nobody")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "GET /customers" in answer.json()["detail"]


async def test_new_customer_is_201_and_found_at_its_location(client: httpx.AsyncClient) -> None:
    answer = await client.post("/customers", json=GRACE)

    found = await client.get(answer.headers["location"])
    assert answer.status_code == 201
    assert found.json() == answer.json()
    assert found.json()["credit"] == "50.00"


async def test_id_that_is_taken_is_409_and_changes_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/customers", json={**GRACE, "customer_id": "ada"})

    assert answer.status_code == 409
    assert (await client.get("/customers/ada")).json()["credit"] == "100.00"


@pytest.mark.parametrize(
    "change",
    [
        {"credit": "-0.01"},
        {"credit": "0.001"},
        {"credit": "NaN"},
        {"credit": "1e20"},
        {"credit": None},
        {"customer_id": ""},
        {"customer_id": "Ada"},
        {"customer_id": "a" * 65},
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "\ud800"},
        {"email": "no address"},
        {"blocked": True},
    ],
    ids=lambda change: "-".join(change) + "-" + ascii(*change.values())[:8],
)
async def test_hostile_customer_is_422(client: httpx.AsyncClient, change: dict[str, Any]) -> None:
    answer = await client.post("/customers", content=json.dumps({**GRACE, **change}))

    assert answer.status_code == 422
    assert (await client.get("/customers/grace")).status_code == 404


async def test_customer_looks_the_same_on_each_engine(lasting: CustomerWorld) -> None:
    dora = {"customer_id": f"dora-{uuid4()}", "name": "Dora", "email": "dora@example.com", "credit": "9.99"}
    async with client_of(lasting) as client:
        first = await client.post("/customers", json=dora)
        second = await client.post("/customers", json=dora)
        await lasting.hear(*(created(uuid4(), "0.10", customer_id=dora["customer_id"]) for _ in range(3)))
        found = (await client.get(f"/customers/{dora['customer_id']}")).json()

    assert (first.status_code, second.status_code) == (201, 409)
    assert (found["credit"], found["reserved"]) == ("9.69", "0.30")


async def test_customers_are_listed_in_pages(client: httpx.AsyncClient, world: CustomerWorld) -> None:
    await world.hear(created(uuid4(), "30.00"))

    first = (await client.get("/customers", params={"limit": 1})).json()
    second = (await client.get("/customers", params={"limit": 1, "after": first["next"]})).json()

    assert [one["customer_id"] for one in first["items"] + second["items"]] == ["ada", "linus"]
    assert [one["reserved"] for one in first["items"] + second["items"]] == ["30.00", "0.00"]
    assert second["next"] is None


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"after": "A B"}], ids=str)
async def test_impossible_page_is_422(client: httpx.AsyncClient, params: dict[str, Any]) -> None:
    assert (await client.get("/customers", params=params)).status_code == 422


async def test_seed_fills_an_empty_table_and_leaves_others_alone(world: CustomerWorld) -> None:
    await seed(world.sessions)
    async with world.sessions() as session:
        before = await session.scalar(select(func.count(Customer.id)))
    for customer_id in ("ada", "linus"):
        await world.remove(customer_id)

    await seed(world.sessions)
    await seed(world.sessions)

    assert before == 2
    assert [await world.credit(one) for one in ("ada", "grace", "linus")] == ["1000.00", "50.00", "1000.00"]
