"""What Prometheus reads: pools at the moment of the scrape, requests by route template."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest

from lab_support.database import build_engine
from lab_support.pools import PoolSettings, gauges_of, install_infrastructure_errors
from lab_support.pools.gauges import PoolMeter
from lab_support.pools.metrics import PoolCollector, RequestMetrics


@asynccontextmanager
async def timed() -> AsyncIterator[tuple[httpx.AsyncClient, CollectorRegistry]]:
    registry = CollectorRegistry()
    inner, app = FastAPI(), FastAPI()
    install_infrastructure_errors(app)

    @app.get("/things/{thing}")
    async def show(thing: str) -> str:
        return thing

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError

    @app.get("/hanging")
    async def hanging() -> None:
        await asyncio.Event().wait()

    @inner.get("/parts/{part}")
    async def part(part: str) -> str:
        return part

    app.mount("/inner", inner)
    app.add_middleware(RequestMetrics, registry=registry)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client, registry


def count(registry: CollectorRegistry, method: str, route: str, status: str) -> float | None:
    labels = {"method": method, "route": route, "status": status}
    return registry.get_sample_value("lab_http_request_seconds_count", labels)


async def test_requests_are_counted_by_template_and_not_by_path() -> None:
    """A thousand things are one time series."""
    async with timed() as (client, registry):
        for thing in range(5):
            await client.get(f"/things/{thing}")
        await client.get("/inner/parts/7")

    assert count(registry, "GET", "/things/{thing}", "200") == 5
    assert count(registry, "GET", "/inner/parts/{part}", "200") == 1


async def test_what_a_stranger_asks_for_is_no_label() -> None:
    """Neither paths nor methods that nobody knows may fill the memory."""
    async with timed() as (client, registry):
        for number in range(20):
            await client.get(f"/nothing/{number}")
            await client.request(f"VERB{number}", f"/nothing/{number}")
        lines = generate_latest(registry).decode()

    assert count(registry, "GET", "none", "404") == 20
    assert count(registry, "other", "none", "404") == 20
    assert "VERB" not in lines
    assert "/nothing" not in lines


async def test_error_nobody_expected_is_counted_too() -> None:
    """The middleware stands outside of what turns it into a 500, or inside: it is one request."""
    async with timed() as (client, registry):
        await client.get("/broken")

    assert (count(registry, "GET", "/broken", "500") or 0) + (
        count(registry, "GET", "/broken", "none") or 0
    ) == 1


async def test_request_whose_caller_has_gone_is_counted() -> None:
    """With a status that is none."""
    async with timed() as (client, registry):
        asking = asyncio.create_task(client.get("/hanging"))
        await asyncio.sleep(0)
        while count(registry, "GET", "/hanging", "none") is None:
            asking.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(asking, return_exceptions=True)

    assert count(registry, "GET", "/hanging", "none") == 1


async def test_scrape_reads_the_pool_as_it_is_now(tmp_path: Path) -> None:
    """Nothing is kept in between."""
    engine = build_engine(f"sqlite:///{tmp_path / 'a.db'}", pool=PoolSettings(size=2, max_overflow=3))
    registry = CollectorRegistry()
    registry.register(PoolCollector(lambda: {"orders": gauges_of(engine)}))

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"lab_pool_{name}", {"service": "orders"})

    before = value("checked_out")
    async with engine.connect(), engine.connect(), engine.connect():
        during = value("checked_out"), value("overflow"), value("limit")
    after = value("checked_out"), value("checkouts_total"), value("connects_total"), value("closes_total")
    await engine.dispose()

    assert before == 0
    assert during == (3, 1, 5)
    assert after == (0, 3, 3, 1)


def test_waits_are_a_histogram_as_prometheus_has_it() -> None:
    """Each bucket holds what is below it, the last one everything."""
    meter = PoolMeter()
    for seconds in (0.0005, 0.03, 45.0):
        meter.waited(seconds)
    registry = CollectorRegistry()
    gauges = meter.read(size=1, max_overflow=0, idle=0, overflow=0)
    registry.register(PoolCollector(lambda: {"orders": gauges}))

    def below(bound: str) -> float | None:
        return registry.get_sample_value("lab_pool_wait_seconds_bucket", {"service": "orders", "le": bound})

    assert [below(bound) for bound in ("0.001", "0.025", "0.05", "30.0", "+Inf")] == [1, 1, 2, 2, 3]
    total = registry.get_sample_value("lab_pool_wait_seconds_sum", {"service": "orders"})
    assert total == pytest.approx(45.0305)


def test_two_applications_do_not_share_a_registry() -> None:
    """The library's global one would refuse the second."""
    first, second = CollectorRegistry(), CollectorRegistry()
    for registry in (first, second):
        RequestMetrics(FastAPI(), registry)

    told = [[metric.name for metric in registry.collect()] for registry in (first, second)]
    assert told[0] == told[1] != []
