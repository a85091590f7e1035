"""What a whole saga costs: beside the same transactions without messaging, beside bare asyncpg, and in full tables."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.bare_saga import BareSaga
from benchmarks.full_tables import fill_tables
from benchmarks.ratios import Ratio, Work, compare
from benchmarks.shop import Shop, open_shop
from lab_support.database import scratch_database
from lab_support.services.split import NAMES

IN_FLIGHT, SAGAS, PAIRS = 50, 150, 7
OLD_ORDERS = 10_000


def ratios() -> list[Ratio]:
    """Measure all of it; without PostgreSQL that part is left out."""
    return asyncio.run(_ratios())


async def _ratios() -> list[Ratio]:
    found = [await beside_no_messaging(), await in_full_tables()]
    try:
        return [*found, await beside_asyncpg()]
    except Exception as error:
        Console(stderr=True).print(f"PostgreSQL can't be used here; its sagas are not measured: {error}")
        return found


async def beside_no_messaging() -> Ratio:
    """Complete sagas on SQLite, and do the same ORM transactions without outbox, relay, bus and inbox."""
    async with _shop() as shop, shop.running():
        return await compare(
            f"sagas, {IN_FLIGHT} in flight : the same ORM transactions without messaging, SQLite",
            _many(shop.whole_order),
            _many(shop.order_without_messaging),
            limit=3.0,
            pairs=PAIRS,
        )


async def beside_asyncpg() -> Ratio:
    """Complete sagas on four PostgreSQL databases, and send the same business statements by asyncpg alone."""
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            name: await opened.enter_async_context(scratch_database("postgresql", folder)) for name in NAMES
        }
        shop = await opened.enter_async_context(open_shop(folder, urls=urls))
        bare = await opened.enter_async_context(BareSaga(urls))
        await opened.enter_async_context(shop.running())
        return await compare(
            f"sagas, {IN_FLIGHT} in flight : bare asyncpg, PostgreSQL",
            _many(shop.whole_order),
            _many(bare.order),
            limit=6.0,
            pairs=PAIRS,
        )


async def in_full_tables() -> Ratio:
    """Complete sagas one after the other beside 10,000 old orders, and beside none."""
    async with _shop() as full, _shop() as empty:
        await fill_tables(full, OLD_ORDERS)

        async def saga(shop: Shop) -> None:
            await shop.order(0)
            await shop.settle()

        return await compare(
            f"a saga beside {OLD_ORDERS:,} old orders : beside none",
            lambda: saga(full),
            lambda: saga(empty),
            limit=1.3,
            pairs=40,
        )


@asynccontextmanager
async def _shop() -> AsyncIterator[Shop]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_shop(Path(folder)) as shop:
            yield shop


def _many(one: Callable[[int], Awaitable[object]]) -> Work:
    numbers = itertools.count()

    async def work() -> None:
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def in_turn() -> None:
            async with gate:
                await one(next(numbers))

        await asyncio.gather(*(in_turn() for _ in range(SAGAS)))

    return work
