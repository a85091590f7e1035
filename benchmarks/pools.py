"""What a pool saves beside a connection for each request, and what its gauges cost."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from benchmarks.ratios import Ratio, Work, compare
from lab_support.database import build_engine, scratch_database

POOLED_SHARE = 1 / 5
"""The most of an unpooled request's time that a pooled one may take."""


def ratios() -> list[Ratio]:
    """Measure on PostgreSQL what a pool saves, and on a file, where nothing else is slow, what gauges cost."""
    return asyncio.run(_measure())


async def _measure() -> list[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        async with scratch_database("postgresql", Path(folder)) as url:
            saved = await _beside(
                "pooled request : a connection for each (PostgreSQL)",
                build_engine(url),
                create_async_engine(url, poolclass=NullPool),
                _asking,
                limit=POOLED_SHARE,
                each=10,
            )
        url = f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"
        cost = await _beside(
            "checkout with gauges : SQLAlchemy's own pool (SQLite)",
            _plain(url, gauged=True),
            _plain(url, gauged=False),
            _checking_out,
            limit=None,
            each=300,
        )
    return [saved, cost]


def _plain(url: str, *, gauged: bool) -> AsyncEngine:
    from lab_support.pools import GaugedQueuePool

    return create_async_engine(url, poolclass=GaugedQueuePool) if gauged else create_async_engine(url)


async def _beside(
    what: str,
    ours: AsyncEngine,
    plain: AsyncEngine,
    doing: Callable[[AsyncEngine], Work],
    *,
    limit: float | None,
    each: int,
) -> Ratio:
    try:
        return await compare(what, doing(ours), doing(plain), limit=limit, each=each)
    finally:
        await ours.dispose()
        await plain.dispose()


def _asking(engine: AsyncEngine) -> Work:
    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    return ask


def _checking_out(engine: AsyncEngine) -> Work:
    """Take a connection and give it back; nothing is asked of it."""

    async def check_out() -> None:
        async with engine.connect():
            pass

    return check_out
