"""The gateway as part of the shop: over HTTP, with real services beside it, and with services at addresses."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from lab_support.pools.deadlines import DEADLINE_HEADER
from lab_support.services import create_app, running_app
from lab_support.services.gateway.circuit import State
from lab_support.services.gateway.composing import Composer
from lab_support.services.gateway.rebuild import Rebuild
from lab_support.settings import Settings
from tests.services.gateway.neighbourhood import ORDER, Shop, hang

LIMIT_S = 60.0
CARD = {"customer_id": "buyer", "pay_by": "card", "items": [{"sku": "MUG-2", "quantity": 2}]}
CREDIT = CARD | {"pay_by": "credit"}
SHOP = ("orders", "customers", "payments", "inventory", "catalog", "gateway")


@pytest.fixture(scope="module")
async def app() -> FastAPI:
    return create_app(Settings(gateway_deadline_s=30.0), only=SHOP)


@pytest.fixture(scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(app=app) as client:
        for name in ("buyer", "lister", "rebuilt"):
            rich = {"customer_id": name, "name": name, "email": "a@b.c", "credit": "5000.00"}
            assert (await client.post("/customers", json=rich)).status_code == 201
        yield client


async def until(true: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(LIMIT_S):
        while not (answer := await true()):  # noqa: ASYNC110 - another task does it
            await asyncio.sleep(0.02)
        return answer


async def ordered(client: httpx.AsyncClient, order: dict[str, Any]) -> str:
    """Order something, wait for its end, and give its id."""
    location = (await client.post("/orders", json=order)).headers["Location"]

    async def at_its_end() -> bool:
        return not (await client.get(location)).json()["status"].startswith("PENDING")

    await until(at_its_end)
    return str(location).removeprefix("/orders/")


async def summed_up(client: httpx.AsyncClient, order_id: str, **wanted: str) -> dict[str, Any]:
    """Wait until the read model has heard of an order's end."""

    async def heard() -> Any:
        answer = await client.get(f"/shop/summaries/{order_id}")
        if answer.status_code == 404:
            return None
        found = answer.json()
        return found if wanted.items() <= found["summary"].items() else None

    found: dict[str, Any] = await until(heard)
    return found


async def test_order_is_shown_with_all_that_belongs_to_it(client: httpx.AsyncClient) -> None:
    """What the five services know, each by itself, in one answer."""
    order_id = await ordered(client, CARD)

    view = (await client.get(f"/shop/orders/{order_id}")).json()

    assert view["order"]["status"] == "CONFIRMED"
    assert view["customer"]["name"] == (await client.get("/customers/buyer")).json()["name"]
    assert view["payment"]["payment_id"] == (await client.get(f"/payments/{order_id}")).json()["payment_id"]
    assert view["reservation"]["status"] == "RESERVED"
    stock = (await client.get("/inventory/stock/MUG-2")).json()
    assert [(one["sku"], one["available"]) for one in view["stock"]] == [("MUG-2", stock["available"])]
    assert {one["part"] for one in view["missing"]} <= {"products"}


async def test_list_of_orders_is_newest_first_and_paged(client: httpx.AsyncClient) -> None:
    """By `next`, until it is null; each order once, with its payment if it is by card."""
    mine = [await ordered(client, order | {"customer_id": "lister"}) for order in (CREDIT, CARD, CREDIT)]
    found, after = [], ""
    while True:
        page = (await client.get(f"/shop/orders?customer_id=lister&limit=2{after}")).json()
        found += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert [one["order"]["order_id"] for one in found] == mine[::-1]
    assert [one["payment"] is not None for one in found] == [False, True, False]
    assert {one["reservation"]["status"] for one in found} == {"RESERVED"}


async def test_page_of_the_real_shop_is_five_calls(client: httpx.AsyncClient, app: FastAPI) -> None:
    """Counted where the services are called."""
    await ordered(client, CARD)
    around = app.state.services["gateway"].state.gateway.composer.neighbours
    calls: list[str] = []

    async def count(request: httpx.Request) -> None:
        calls.append(request.url.path)

    for one in around.all:
        one.client.event_hooks = {"request": [count]}
    answer = await client.get("/shop/orders?customer_id=buyer")
    for one in around.all:
        one.client.event_hooks = {}

    assert answer.status_code == 200
    assert sorted(calls) == [
        "/catalog/products",
        "/customers/buyer",
        "/inventory/reservations",
        "/orders",
        "/payments",
    ]


async def test_read_model_tells_the_same_as_the_owners(client: httpx.AsyncClient) -> None:
    """In its own words, without asking them."""
    paid = await ordered(client, CARD)
    refused = await ordered(client, CREDIT | {"customer_id": "nobody-knows"})

    found = await summed_up(client, paid, status="CONFIRMED", payment="CHARGED", stock="RESERVED")
    assert (found["summary"]["pieces"], found["summary"]["customer_id"]) == (2, "buyer")
    assert found["as_of"] is not None
    failed = await summed_up(client, refused, status="FAILED", credit="REFUSED")
    assert failed["summary"]["reason"] == "UNKNOWN_CUSTOMER"
    page = (await client.get("/shop/summaries?customer_id=buyer&limit=50")).json()
    assert paid in [one["order_id"] for one in page["items"]]


async def test_rebuild_from_the_journal_shows_the_same_as_the_events(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    """Whatever the orders came to: the two ways to the read model agree."""
    for order in (CARD, CREDIT, CREDIT | {"items": [{"sku": "DESK-1", "quantity": 9999}]}):
        await summed_up(client, await ordered(client, order | {"customer_id": "rebuilt"}))
    state = app.state.services["gateway"].state

    async def quiet() -> Any:
        before = (await client.get("/shop/summaries?customer_id=rebuilt")).json()["items"]
        await asyncio.sleep(0.1)
        after = (await client.get("/shop/summaries?customer_id=rebuilt")).json()["items"]
        return before if before == after and all(one["status"] != "PENDING" for one in before) else None

    before = await until(quiet)
    await Rebuild(sessions=state.sessions, neighbours=state.gateway.composer.neighbours).run()

    assert (await client.get("/shop/summaries?customer_id=rebuilt")).json()["items"] == before


async def test_circuits_are_shown(client: httpx.AsyncClient) -> None:
    """One for each service, closed while all is well."""
    shown = (await client.get("/shop/circuits")).json()

    assert [one["service"] for one in shown] == ["orders", "customers", "payments", "inventory", "catalog"]
    assert {one["state"] for one in shown} == {State.CLOSED}


NOBODYS = UUID("00000000-0000-4000-8000-000000000000")
"""The id of no order; workers that share the tests must give them the same names."""


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/shop/orders/{NOBODYS}", 404),
        (f"/shop/summaries/{NOBODYS}", 404),
        (f"/shop/orders?customer_id=buyer&after={NOBODYS}", 404),
        (f"/shop/summaries?customer_id=buyer&after={NOBODYS}", 404),
        ("/shop/orders/no-id", 422),
        ("/shop/orders", 422),
        ("/shop/orders?customer_id=../../admin", 422),
        ("/shop/orders?customer_id=buyer&limit=51", 422),
        ("/shop/summaries?customer_id=buyer&limit=0", 422),
        ("/shop/nothing", 404),
    ],
)
async def test_bad_request_is_a_problem_document(client: httpx.AsyncClient, path: str, status: int) -> None:
    """Of the right status, without anything that was sent."""
    answer = await client.get(path)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "admin" not in answer.text


async def test_openapi_describes_the_gateway(client: httpx.AsyncClient) -> None:
    """Below its own path."""
    paths = (await client.get("/shop/openapi.json")).json()["paths"]

    assert {
        "/shop/orders/{order_id}",
        "/shop/orders",
        "/shop/summaries",
        "/shop/summaries/{order_id}",
        "/shop/circuits",
    } <= paths.keys()


# --- at addresses


@asynccontextmanager
async def at_a_port(app: Any) -> AsyncIterator[str]:
    """Serve an application on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.capture_signals = asynccontextmanager_off  # type: ignore[method-assign,assignment]
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


class asynccontextmanager_off:  # noqa: N801 - stands for uvicorn's method
    """Leave the signals to the test."""

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


async def test_gateway_reaches_services_by_their_addresses(
    app: FastAPI, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """It alone, with a database of its own; the others behind a socket. What nobody gave an address for is missing."""
    order_id = await ordered(client, CARD)
    async with at_a_port(app) as address:
        found = dict.fromkeys(("orders_at", "customers_at", "payments_at", "inventory_at"), address)
        settings = Settings(data=tmp_path, gateway_deadline_s=30.0, **found)  # type: ignore[arg-type]
        async with running_app(settings, only=("gateway",)) as apart:
            view = (await apart.get(f"/shop/orders/{order_id}")).json()
            circuits = (await apart.get("/shop/circuits")).json()

    assert view["order"]["status"] == "CONFIRMED"
    assert view["payment"]["status"] == "CHARGED"
    assert [(one["part"], one["reason"]) for one in view["missing"]] == [("products", "unreachable")]
    assert [one["at"] for one in circuits] == [address] * 4 + [None]


async def test_gateway_alone_without_addresses_says_so(tmp_path: Path) -> None:
    """503, at once, and not an error of its own."""
    async with running_app(Settings(data=tmp_path), only=("gateway",)) as client:
        answer = await client.get(f"/shop/orders/{uuid4()}")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert "unreachable" in answer.json()["detail"]


async def test_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    """Neither by the circuits nor in an error."""
    settings = Settings(data=tmp_path, orders_at="http://clerk:hunter2@127.0.0.1:1/base")  # type: ignore[arg-type]
    async with running_app(settings, only=("gateway",)) as client:
        circuits = await client.get("/shop/circuits")
        answer = await client.get(f"/shop/orders/{uuid4()}")

    assert circuits.json()[0]["at"] == "http://127.0.0.1:1/base"
    assert "hunter2" not in circuits.text + answer.text


@pytest.fixture(scope="module")
async def order_id(client: httpx.AsyncClient) -> str:
    """Name one order that stands."""
    return await ordered(client, CREDIT)


HOSTILE: dict[str, tuple[bytes, bool]] = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n", True),
    "closes at once": (b"", True),
    "hangs": (b"", False),
    "hangs in its headers": (b"HTTP/1.1 200 OK\r\nX-", False),
    "hangs in its body": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", False),
    "forges a length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", True),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", True),
    "huge header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", True),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", True),
    "a bomb": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        True,
    ),
}


@pytest.mark.parametrize("answer", HOSTILE)
async def test_hostile_server_costs_its_own_part_alone(
    app: FastAPI, order_id: str, tmp_path: Path, answer: str
) -> None:
    """Whatever comes over the wire in place of Customers: the order is shown without them."""
    sent, closes = HOSTILE[answer]

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(sent)
        if not closes:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server, at_a_port(app) as address:
        port = server.sockets[0].getsockname()[1]
        found = dict.fromkeys(("orders_at", "inventory_at", "catalog_at", "payments_at"), address)
        settings = Settings(
            data=tmp_path,
            gateway_deadline_s=30.0 if closes else 3.0,
            customers_at=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
            **found,  # type: ignore[arg-type]
        )
        async with running_app(settings, only=("gateway",)) as apart:
            view = (await apart.get(f"/shop/orders/{order_id}")).json()

    assert view["order"]["status"] == "APPROVED"
    [reason] = [one["reason"] for one in view["missing"] if one["part"] == "customer"]
    assert reason in (("garbage", "unreachable") if closes else ("too-slow",))


# --- the caller's deadline


@pytest.fixture(scope="module")
async def hanging() -> AsyncIterator[httpx.AsyncClient]:
    """A gateway with much time, beside whose services one hangs."""
    around, app = Shop(), create_app(Settings(gateway_deadline_s=60.0), only=("gateway",))
    around.answers["/customers/ada"] = hang
    async with running_app(app=app) as client:
        state = app.state.services["gateway"].state
        state.gateway = replace(state.gateway, composer=Composer(neighbours=around.neighbours))
        yield client
        await around.neighbours.close()


async def test_callers_deadline_shortens_the_gateways(hanging: httpx.AsyncClient) -> None:
    """A part is missing, and the answer is there in time: it does not become a 504."""
    async with asyncio.timeout(30):
        answer = await hanging.get(f"/shop/orders/{ORDER}", headers={DEADLINE_HEADER: "1000"})

    assert answer.status_code == 200
    assert [one["reason"] for one in answer.json()["missing"]] == ["too-slow"]


@pytest.mark.parametrize(("given", "status"), [("0", 504), ("soon", 400), ("-5", 400), ("1e3", 400)])
async def test_deadline_that_is_over_or_nonsense_is_told(
    hanging: httpx.AsyncClient, given: str, status: int
) -> None:
    """Before anybody is asked."""
    answer = await hanging.get(f"/shop/orders/{ORDER}", headers={DEADLINE_HEADER: given})

    assert answer.status_code == status
