"""What composition costs beside its slowest call, and the read model beside the composition that it replaces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from fastapi import FastAPI

from benchmarks.ratios import Ratio, compare, ratio
from lab_support.services import create_app, running_app
from lab_support.services.gateway.composing import Composer
from lab_support.settings import Settings

ONLY = ("orders", "customers", "payments", "inventory", "catalog", "gateway")
ORDER = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "MUG-2", "quantity": 1}]}
WAIT_S = 0.05
ORDERS = 20


def ratios() -> list[Ratio]:
    """Measure both in one running shop."""
    return asyncio.run(_ratios())


async def _ratios() -> list[Ratio]:
    with TemporaryDirectory(prefix="bench-") as folder:
        app = create_app(Settings(data=Path(folder), gateway_deadline_s=30.0), only=ONLY)
        async with running_app(app=app) as client:
            for _ in range(ORDERS):
                order_id = await _summed_up(client)
            async with _slow(app):
                slow = await _beside_its_slowest_call(app, client, order_id)
            return [slow, *await _read_model_beside_composition(client, order_id)]


async def _beside_its_slowest_call(
    app: FastAPI, client: httpx.AsyncClient, order_id: str, pairs: int = 15
) -> Ratio:
    """Each call waits at least 50 ms; the slowest of the same composition is what it could cost at best."""
    calls = _watch(app)
    found = []
    for number in range(pairs + 1):
        calls.clear()
        began = time.perf_counter()
        (await client.get(f"/shop/orders/{order_id}")).raise_for_status()
        if number:
            found.append((time.perf_counter() - began) / max(calls))
    assert min(calls) >= WAIT_S
    assert len(calls) == 6
    return ratio("composition : its slowest call, each waits 50 ms", found, 1.2)


async def _read_model_beside_composition(client: httpx.AsyncClient, order_id: str) -> list[Ratio]:
    one, many = f"/shop/{{}}/{order_id}", f"/shop/{{}}?customer_id=ada&limit={ORDERS}"
    return [
        await compare(
            f"read model : composition it replaces, {what}",
            lambda path=path: client.get(path.format("summaries")),  # type: ignore[misc]
            lambda path=path: client.get(path.format("orders")),  # type: ignore[misc]
            limit=0.25,
            each=5,
        )
        for what, path in (("one order", one), (f"a page of {ORDERS}", many))
    ]


def _composer(app: FastAPI) -> Composer:
    composer: Composer = app.state.services["gateway"].state.gateway.composer
    return composer


@asynccontextmanager
async def _slow(app: FastAPI) -> AsyncIterator[None]:
    """Let each call wait as a network and a busy service would, in the same process."""
    around = _composer(app).neighbours.all
    before = [one.client for one in around]
    for one in around:
        assert one.client is not None
        transport = _Waiting(one.client._transport)
        one.client = httpx.AsyncClient(base_url=one.client.base_url, transport=transport)
    try:
        yield
    finally:
        for one, client in zip(around, before, strict=True):
            one.client = client


class _Waiting(httpx.AsyncBaseTransport):
    """Waits before it hands a call on."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.seconds: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        began = time.perf_counter()
        await asyncio.sleep(WAIT_S)
        answer = await self.inner.handle_async_request(request)
        self.seconds.append(time.perf_counter() - began)
        return answer


def _watch(app: FastAPI) -> list[float]:
    """Give the list to which every call adds its seconds."""
    seconds: list[float] = []
    for one in _composer(app).neighbours.all:
        assert one.client is not None
        one.client._transport.seconds = seconds  # type: ignore[attr-defined]
    return seconds


async def _summed_up(client: httpx.AsyncClient) -> str:
    """Order something, and wait until the read model has heard of its end."""
    location = (await client.post("/orders", json=ORDER)).headers["Location"]
    order_id = str(location).removeprefix("/orders/")
    async with asyncio.timeout(60):
        while True:
            answer = await client.get(f"/shop/summaries/{order_id}")
            if answer.status_code == 200 and answer.json()["summary"]["status"] == "CONFIRMED":
                return order_id
            await asyncio.sleep(0.02)
