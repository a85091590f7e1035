"""What a repository costs beside the session under it, what mapping costs, and how deep pages grow.

advanced-alchemy's repository is measured in the same run where pip can fetch it into a temporary folder; without it
the other ratios stand alone.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from benchmarks.ratios import Ratio, Work, compare
from lab_support.database import build_engine, create_tables, session_factory, writing_session
from lab_support.services.store.dtos import ProductSummary
from lab_support.services.store.entities import Product, StoreBase
from lab_support.services.store.fields import Price
from lab_support.services.store.mapping import product_detail, product_summary
from lab_support.services.store.repository import ProductSearch, SqlAlchemyProductRepository

ADVANCED_ALCHEMY = "advanced-alchemy==1.12.0"
INSTALL_LIMIT_S = 60
COLUMNS: dict[str, Any] = {
    "name": "lamp",
    "price": Decimal("9.90"),
    "stock": 3,
    "is_available": True,
    "category": "lamps",
}
ROWS, DEEP_ROWS = 1000, 100_000

Sessions = async_sessionmaker[AsyncSession]
Do = Callable[[AsyncSession], Awaitable[object]]


def ratios() -> list[Ratio]:
    """Measure all of it."""
    return asyncio.run(_ratios())


async def _ratios() -> list[Ratio]:
    async with _shop(ROWS) as sessions:
        found = await repository_beside_session(sessions)
        with tempfile.TemporaryDirectory() as folder:
            if _install(Path(folder)):
                found += await advanced_alchemy_beside_session(sessions)
        found += await mapping_beside_validation(sessions)
    async with _shop(DEEP_ROWS) as sessions:
        return found + await deep_pages_beside_first(sessions)


async def repository_beside_session(sessions: Sessions) -> list[Ratio]:
    """Send the same statements through our repository and without one."""
    ours: dict[str, Do] = {
        "get one row": lambda session: SqlAlchemyProductRepository(session).get_by_id(500),
        "create a row": lambda session: SqlAlchemyProductRepository(session).create(Product(**COLUMNS)),
        "update a row": lambda session: SqlAlchemyProductRepository(session).update(500, {"stock": 4}),
        "page of 100 rows": lambda session: SqlAlchemyProductRepository(session).page(
            ProductSearch(category="lamps"), after=500, limit=100
        ),
    }
    return [
        await compare(
            f"repository : session, {what}", _in(sessions, do), _in(sessions, BARE[what]), limit=1.2, each=40
        )
        for what, do in ours.items()
    ]


async def advanced_alchemy_beside_session(sessions: Sessions) -> list[Ratio]:
    """Do the same with advanced-alchemy's repository, which sends statements of its own choice."""
    from advanced_alchemy.filters import LimitOffset
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository

    class Theirs(SQLAlchemyAsyncRepository[Product]):  # type: ignore[type-var]
        model_type = Product

    theirs: dict[str, Do] = {
        "get one row": lambda session: Theirs(session=session).get(500),
        "create a row": lambda session: Theirs(session=session).add(Product(**COLUMNS)),
        "update a row": lambda session: Theirs(session=session).update(Product(id=500, stock=4)),
        "page of 100 rows": lambda session: Theirs(session=session).list(
            Product.category == "lamps", Product.id > 500, LimitOffset(101, 0), order_by=("id", False)
        ),
    }
    return [
        await compare(
            f"advanced-alchemy : session, {what}",
            _in(sessions, do),
            _in(sessions, BARE[what]),
            limit=None,
            each=40,
        )
        for what, do in theirs.items()
    ]


async def _get(session: AsyncSession) -> object:
    return await session.get(Product, 500)


async def _create(session: AsyncSession) -> object:
    session.add(product := Product(**COLUMNS))
    await session.flush()
    return product


async def _update(session: AsyncSession) -> object:
    changed = update(Product).where(Product.id == 500).values(stock=4)
    await session.execute(changed, execution_options={"synchronize_session": False})
    return await session.get(Product, 500, populate_existing=True)


async def _page(session: AsyncSession) -> object:
    query = (
        select(Product).where(Product.category == "lamps", Product.id > 500).order_by(Product.id).limit(101)
    )
    return (await session.scalars(query)).all()


BARE: dict[str, Do] = {
    "get one row": _get,
    "create a row": _create,
    "update a row": _update,
    "page of 100 rows": _page,
}


class FromAttributes(BaseModel):
    """The summary's fields, read from the entity by Pydantic itself."""

    model_config = ConfigDict(from_attributes=True)

    product_id: int = Field(validation_alias="id")
    product_name: str = Field(validation_alias="name")
    category: str
    price: Price
    stock: int
    is_available: bool


async def mapping_beside_validation(sessions: Sessions) -> list[Ratio]:
    """Map a thousand loaded rows by hand, let Pydantic read the same rows, and validate ready dictionaries."""
    async with sessions() as session:
        rows = (await session.scalars(select(Product).order_by(Product.id).limit(ROWS))).all()
    dictionaries = [product_summary(row).model_dump() for row in rows]

    def each_of(things: Iterable[Any], do: Callable[[Any], object]) -> Work:
        async def work() -> None:
            for one in things:
                do(one)

        return work

    summaries, details = each_of(rows, product_summary), each_of(rows, product_detail)
    by_pydantic = each_of(rows, FromAttributes.model_validate)
    ready = each_of(dictionaries, ProductSummary.model_validate)
    return [
        await compare("mapping : model_validate, 1,000 rows", summaries, by_pydantic, limit=1.5, each=3),
        await compare("mapping : the same, detail", details, by_pydantic, limit=1.5, each=3),
        await compare("mapping : model_validate of ready dictionaries", summaries, ready, limit=None, each=3),
    ]


async def deep_pages_beside_first(sessions: Sessions) -> list[Ratio]:
    """Ask for the last page of many, by key and by offset, and compare with the first."""
    deep = DEEP_ROWS - 100
    meant = ProductSearch(category="lamps")

    def page(after: int | None) -> Work:
        return _in(
            sessions, lambda session: SqlAlchemyProductRepository(session).page(meant, after=after, limit=20)
        )

    def window(skip: int) -> Work:
        return _in(
            sessions, lambda session: SqlAlchemyProductRepository(session).find(meant, skip=skip, limit=20)
        )

    return [
        await compare(f"keyset page after {deep:,} rows : first", page(deep), page(None), limit=1.5, each=20),
        await compare(
            f"offset page after {deep:,} rows : first", window(deep), window(0), limit=None, each=2
        ),
    ]


def _in(sessions: Sessions, do: Do) -> Work:
    """Do something in a new session, and keep nothing."""

    async def work() -> None:
        async with writing_session(sessions) as session:
            await do(session)

    return work


@asynccontextmanager
async def _shop(rows: int) -> AsyncIterator[Sessions]:
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        try:
            await create_tables(engine, StoreBase.metadata)
            async with engine.begin() as connection:
                await connection.execute(insert(Product.__table__), [COLUMNS] * rows)
            yield session_factory(engine)
        finally:
            await engine.dispose()


def _install(folder: Path) -> bool:
    """Fetch advanced-alchemy into a folder of its own and make it importable; tell whether that worked."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder),
        ADVANCED_ALCHEMY,
    ]
    try:
        subprocess.run(pip, check=True, capture_output=True, timeout=INSTALL_LIMIT_S)  # noqa: S603 - our own words
    except (OSError, subprocess.SubprocessError):
        Console(stderr=True).print(f"{ADVANCED_ALCHEMY} can't be fetched here; it is not measured.")
        return False
    sys.path.append(str(folder))
    return True
