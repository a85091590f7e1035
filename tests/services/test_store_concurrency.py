"""Many requests at once, on each engine: nothing is lost, nothing leaks, nobody waits for ever."""

import asyncio
from collections.abc import Awaitable

import httpx
import pytest
from fastapi import FastAPI

from lab_support.services import create_app, running_app
from lab_support.settings import Settings

LAMP = {"product_name": "Desk lamp", "price": "24.90", "stock": 5}
LIMIT_S = 30


async def at_once(*requests: Awaitable[httpx.Response]) -> list[httpx.Response]:
    async with asyncio.timeout(LIMIT_S):
        return await asyncio.gather(*requests)


def assert_no_connection_is_out(store: FastAPI) -> None:
    assert store.state.engine.pool.checkedout() == 0


async def test_fifty_writers_store_fifty_products(client: httpx.AsyncClient, store: FastAPI) -> None:
    """Concurrent POSTs all succeed, with ids of their own, through a pool of fifteen."""
    answers = await at_once(
        *(client.post("/store/products", json=LAMP | {"product_name": f"p{n}"}) for n in range(50))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["product_id"] for answer in answers}) == 50
    page = (await client.get("/store/products?limit=100")).json()["items"]
    assert {product["product_name"] for product in page} == {f"p{n}" for n in range(50)}
    assert_no_connection_is_out(store)


async def test_patches_of_different_fields_all_stay(client: httpx.AsyncClient) -> None:
    """Two callers who change different fields at once both see their change kept."""
    await client.post("/store/products", json=LAMP)
    changes = [{"product_name": "New"}, {"price": "1.50"}, {"stock": 9}, {"description": "d"}]

    for _ in range(5):
        await client.put("/store/products/1", json=LAMP)
        answers = await at_once(*(client.patch("/store/products/1", json=change) for change in changes))
        assert {answer.status_code for answer in answers} == {200}

        product = (await client.get("/store/products/1")).json()
        assert product == {
            "product_id": 1,
            "product_name": "New",
            "description": "d",
            "price": "1.50",
            "stock": 9,
            "is_available": True,
            "category": "general",
            "price_with_tax": "1.80",
        }


async def test_one_of_many_deletes_wins(client: httpx.AsyncClient, store: FastAPI) -> None:
    """Of ten concurrent DELETEs one answers 204 and nine 404."""
    await client.post("/store/products", json=LAMP)

    answers = await at_once(*(client.delete("/store/products/1") for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 9
    assert_no_connection_is_out(store)


async def test_change_of_a_vanishing_product_is_not_found(client: httpx.AsyncClient, store: FastAPI) -> None:
    """PATCH and DELETE at once: the change succeeds before the deletion or finds nothing, and never fails."""
    for _ in range(10):
        address = (await client.post("/store/products", json=LAMP)).headers["location"]
        *changed, gone = await at_once(
            client.patch(address, json={"stock": 1}),
            client.put(address, json=LAMP),
            client.get(address),
            client.delete(address),
        )

        assert gone.status_code == 204
        assert {answer.status_code for answer in changed} <= {200, 404}
        assert (await client.get(address)).status_code == 404
    assert_no_connection_is_out(store)


async def test_refused_requests_give_their_connections_back(
    client: httpx.AsyncClient, store: FastAPI
) -> None:
    """After a hundred requests of which most are refused, no connection is out."""
    await client.post("/store/products", json=LAMP)
    refused = [
        ("GET", "/store/products/99", None),
        ("PATCH", "/store/products/1", {}),
        ("POST", "/store/products", {"price": -1}),
        ("DELETE", "/store/products/99", None),
        ("GET", "/store/products", None),
    ]

    answers = await at_once(*(client.request(m, url, json=body) for m, url, body in refused * 20))

    assert sorted({answer.status_code for answer in answers}) == [200, 400, 404, 422]
    assert_no_connection_is_out(store)


async def test_cancelled_request_gives_its_connection_back(client: httpx.AsyncClient, store: FastAPI) -> None:
    """A caller who hangs up keeps neither a connection nor half a product."""
    requests = [
        asyncio.ensure_future(client.post("/store/products", json=LAMP | {"product_name": f"p{n}"}))
        for n in range(20)
    ]
    await requests[0]
    for request in requests[1:]:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)

    assert_no_connection_is_out(store)
    assert (await client.post("/store/products", json=LAMP)).status_code == 201
    assert (await client.get("/store/products")).status_code == 200


@pytest.mark.parametrize("shop_backend", ["sqlite"], indirect=True)
async def test_two_applications_in_one_process_share_nothing(client: httpx.AsyncClient) -> None:
    """A second application has its own database, and its end does not touch the first."""
    await client.post("/store/products", json=LAMP)

    async with running_app(app=create_app(Settings(), only=("store",))) as other:
        assert (await other.get("/store/products")).json()["items"] == []
        await at_once(*(one.post("/store/products", json=LAMP) for one in (client, other) for _ in range(5)))
        assert len((await other.get("/store/products")).json()["items"]) == 5

    assert len((await client.get("/store/products")).json()["items"]) == 6
