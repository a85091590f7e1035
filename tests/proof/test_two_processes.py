"""Two whole applications at once on the same databases: relays, consumers and workers compete for everything."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lab_support.database import Backend, scratch_database, utc_now
from lab_support.messaging import EmbeddedBus, RelaySettings
from lab_support.pools import DatabaseUnreachableError
from lab_support.services import create_app, running_app
from lab_support.services.participant import Around
from lab_support.services.split import NAMES
from lab_support.settings import Settings
from tests.conftest import missing
from tests.proof.invariants import Books
from tests.proof.quiet import become_quiet
from tests.proof.simulation import CUSTOMERS, SKUS
from tests.proof.snapshot import snapshot
from tests.proof.world import World

LIMIT_S = 100.0
AROUND = Around(relay=RelaySettings(poll_s=0.1, batch=5))


@pytest.fixture
def server(backend: Backend, request: pytest.FixtureRequest) -> Iterator[None]:
    """Use the PostgreSQL server that `tests/conftest.py` has chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if backend == "postgresql":
            patch.setenv("LAB_POSTGRES_URL", request.getfixturevalue("postgresql_database"))
        yield


@pytest.fixture
async def urls(backend: Backend, server: None, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Give each service an empty database."""
    async with AsyncExitStack() as stack:
        try:
            yield {
                name: await stack.enter_async_context(scratch_database(backend, tmp_path)) for name in NAMES
            }
        except DatabaseUnreachableError as error:
            missing(str(error))


@pytest.mark.parametrize("orders", [16, pytest.param(100, marks=pytest.mark.torture)])
async def test_two_applications_share_the_work_and_the_books_are_right(
    urls: dict[str, str], tmp_path: Path, orders: int
) -> None:
    world = World(urls, tmp_path, lambda: EmbeddedBus(tmp_path / "bus.db"), random=Random(1))
    await world.create()
    books = await Books.of(world)
    await _close(world)

    async with AsyncExitStack() as running, asyncio.timeout(LIMIT_S):
        clients = [
            await running.enter_async_context(running_app(app=_application(urls, tmp_path, coordination)))
            for coordination in ("choreography", "orchestration")
        ]
        random = Random(13)
        answers = await asyncio.gather(*(_order(clients[n % 2], random) for n in range(orders)))
        for one in answers:
            await _ended(clients[0], one)

    world.clock.now = utc_now()
    await world.start()
    assert await become_quiet(world) == []
    found, now = await books.violations(world), await snapshot(world)
    dead = await world.bus.dead_letters()
    await world.stop()
    assert (found, dead) == ([], [])
    assert Counter(one.status_code for one in answers) == {202: orders}
    assert len(now.orders) == orders


def _application(urls: dict[str, str], folder: Path, coordination: Any) -> Any:
    given = {f"{name}_url": url for name, url in urls.items()}
    settings = Settings.model_validate(
        {"data": folder, "coordination": coordination, "provider_seed": 5, "demo_data": False, **given}
    )
    return create_app(settings, only=NAMES, around=AROUND)


async def _order(client: httpx.AsyncClient, random: Random) -> httpx.Response:
    skus = random.sample(sorted(set(SKUS)), random.choice((1, 2)))
    body = {
        "customer_id": random.choice(CUSTOMERS),
        "pay_by": random.choice(("credit", "card")),
        "items": [{"sku": sku, "quantity": random.randint(1, 2)} for sku in skus],
    }
    headers = {"Idempotency-Key": str(uuid4())}
    while True:
        answer = await client.post("/orders", json=body, headers=headers)
        if answer.status_code != 503:
            return answer
        await asyncio.sleep(0.1)  # others were in the way; the same order may be sent again


async def _ended(client: httpx.AsyncClient, taken: httpx.Response) -> None:
    status = "PENDING"
    while status.startswith("PENDING"):
        status = (await client.get(taken.headers["Location"])).json()["status"]
        await asyncio.sleep(0.02)


async def _close(world: World) -> None:
    await world.provider.__aexit__(None)
    for engine in world.engines.values():
        await engine.dispose()
