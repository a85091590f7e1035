"""Services around a gateway that answer as a test wants: at once, late, wrongly, never."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx

from lab_support.services.gateway.asking import Neighbours
from lab_support.services.gateway.circuit import CircuitBreaker
from lab_support.services.gateway.remote import RemoteService

GUARD_S = 60.0
ORDER = UUID("00000000-0000-4000-8000-000000000001")
SKUS = ("LAMP-7", "MUG-2")
PARTS = {
    "customer": ("customers", "/customers/ada"),
    "payment": ("payments", "/payments"),
    "reservation": ("inventory", "/inventory/reservations"),
    "stock": ("inventory", "/inventory/stock"),
    "products": ("catalog", "/catalog/products"),
}

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


def order(order_id: UUID = ORDER, **changes: Any) -> dict[str, Any]:
    """Give what Orders says of an order by card."""
    return {
        "order_id": str(order_id),
        "customer_id": "ada",
        "pay_by": "card",
        "status": "CONFIRMED",
        "reason": None,
        "failed_step": None,
        "total": "59.30",
        "lines": [{"sku": sku, "quantity": 1, "unit_price": "9.50"} for sku in SKUS],
        "created_at": "2026-11-24T12:00:00Z",
        "updated_at": "2026-11-24T12:00:01Z",
        "a field of tomorrow": 1,
        **changes,
    }


def usual(request: httpx.Request) -> Any:
    """Give what a service says when all is well: about whatever it is asked for."""
    asked, path = request.url.params, request.url.path
    if path.startswith("/orders/"):
        return order(UUID(path.rsplit("/", 1)[1]))
    if path.startswith("/customers/"):
        name = path.rsplit("/", 1)[1]
        return {
            "customer_id": name,
            "name": "Ada",
            "credit": "1.00",
            "reserved": "0.00",
            "blocked": False,
        }
    ids, skus = asked.get_list("order_id"), asked.get_list("sku")
    return {
        "/orders": {"items": [order()], "next": None},
        "/payments": [
            {"order_id": one, "payment_id": one, "amount": "59.30", "status": "CHARGED", "reason": None}
            for one in ids
        ],
        "/inventory/reservations": [
            {"order_id": one, "status": "RESERVED", "sku": None, "reason": None} for one in ids
        ],
        "/inventory/stock": {"items": [{"sku": one, "available": 3, "discontinued": False} for one in skus]},
        "/catalog/products": {"items": [{"sku": one, "name": one, "price": "9.50"} for one in skus]},
    }[path]


async def well(request: httpx.Request) -> httpx.Response:
    """Answer as usual."""
    return says(usual(request))


def says(content: Any) -> httpx.Response:
    """Answer with JSON, as a server would send it."""
    return httpx.Response(200, content=json.dumps(content).encode())


class Shop:
    """The services around a gateway; `answers` has those that do not answer as usual, by path."""

    def __init__(self, **circuit: Any) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[httpx.Request] = []
        self.neighbours = Neighbours(
            **{
                name: RemoteService(
                    name=name,
                    client=httpx.AsyncClient(
                        base_url=f"http://{name}", transport=httpx.MockTransport(self._answer)
                    ),
                    circuit=CircuitBreaker(**circuit),
                )
                for name in ("orders", "customers", "payments", "inventory", "catalog")
            }
        )

    @property
    def calls(self) -> Counter[str]:
        """How often each service was called."""
        return Counter(request.url.host for request in self.asked)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return await self.answers.get(request.url.path, well)(request)


# --- what can go wrong with an answer


async def hang(_request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def nobody(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


async def late(_request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("late")


async def broken(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(500, content=b"Traceback: secret")


async def busy(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, content=b"{}")


async def gave_up(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(504, content=b"{}")


async def unknown(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(404, content=b"{}")


async def redirect(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"Location": "http://elsewhere/"})


async def refusal(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(422, content=b"{}")


async def web_page(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b"<html>It works!</html>")


async def other_shape(_request: httpx.Request) -> httpx.Response:
    return says({"items": 7, "order_id": "x", "next": [], "customer_id": {}})


async def abyss(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b"[" * 100_000)


async def no_text(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b"\xff\xfe\x00")


async def packed(request: httpx.Request) -> httpx.Response:
    answer = await well(request)
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"\x1f\x8b" + answer.content)


async def endless(_request: httpx.Request) -> httpx.Response:
    async def for_ever() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536
            await asyncio.sleep(0)

    return httpx.Response(200, content=for_ever())


async def surprise(_request: httpx.Request) -> httpx.Response:
    raise RuntimeError("a bug in the client")
