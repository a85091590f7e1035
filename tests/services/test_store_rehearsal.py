"""The rehearsed split of `name`: callers can't tell the two tables apart, old rows included."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import build_engine, scratch_database, session_factory
from lab_support.services import running_app
from lab_support.services.app import create_store
from lab_support.services.store.api import product_repository
from lab_support.services.store.migrations import downgrade, upgrade
from lab_support.services.store.rehearsal import SplitBase, SplitProductRepository, split_product_repository
from lab_support.services.store.repository import ProductRepository
from lab_support.settings import Settings
from tests.repositories.contract import ProductRepositoryContract

OLD_NAMES = ("Desk lamp", "Stapler", "Ink  blue", "Lámp e\u0301", "كرسي مكتب", "🪑 🪑 🪑", "it's 100% _")
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    *(("GET", f"/products/{number}", None) for number in range(1, len(OLD_NAMES) + 2)),
    ("GET", "/products?limit=3", None),
    ("GET", "/products?skip=2&limit=3", None),
    ("GET", "/products?q=LAMP", None),
    ("GET", "/products?q=k%20l", None),
    ("GET", "/products?q=%25", None),
    ("GET", "/products?category=general&min_price=2&max_price=4", None),
    ("POST", "/products", {"product_name": "Office chair", "price": "1.00", "category": "chairs"}),
    ("PATCH", "/products/1", {"product_name": "Reading lamp"}),
    ("PATCH", "/products/2", {"stock": 4}),
    ("PUT", "/products/3", {"product_name": "One", "price": 3}),
    ("PATCH", "/products/3", {}),
    ("PATCH", "/products/3", {"brand": "Acme"}),
    ("POST", "/products", {"product_name": "x" * 201, "price": 1}),
    ("DELETE", "/products/4", None),
    ("DELETE", "/products/4", None),
    ("GET", "/products", None),
)


def a_store(url: str, *, rehearsed: bool) -> FastAPI:
    settings = Settings(database_url=SecretStr(url))
    if not rehearsed:
        return create_store(settings)
    store = create_store(settings, tables=SplitBase.metadata)
    store.dependency_overrides[product_repository] = split_product_repository
    return store


async def answers(client: httpx.AsyncClient) -> list[tuple[int, bytes, str | None]]:
    found = [await client.request(method, path, json=body) for method, path, body in REQUESTS]
    cursor = (await client.get("/products?limit=2")).json()["next"]
    found.append(await client.get("/products", params={"after": cursor}))
    found.append(await client.get("/openapi.json"))
    return [(answer.status_code, answer.content, answer.headers.get("location")) for answer in found]


async def sell_old_products(url: str) -> None:
    await upgrade(url)
    async with running_app(app=a_store(url, rehearsed=False)) as client:
        for number, name in enumerate(OLD_NAMES, 1):
            product = {"product_name": name, "price": number, "description": f"number {number}"}
            (await client.post("/products", json=product)).raise_for_status()


async def test_callers_see_the_same_before_and_after_the_split(database_url: str) -> None:
    """Every answer is byte-equal on the old table and on the split one: reads, writes, refusals and the contract."""
    await sell_old_products(database_url)
    async with running_app(app=a_store(database_url, rehearsed=False)) as client:
        before = await answers(client)
    await downgrade(database_url, "base")

    await sell_old_products(database_url)
    await upgrade(database_url, rehearsals=True)
    async with running_app(app=a_store(database_url, rehearsed=True)) as client:
        after = await answers(client)

    assert after == before
    assert {status for status, _, _ in before} == {200, 201, 204, 400, 404, 422}


@pytest.fixture(scope="module")
async def split_sessions(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Give sessions on a SQLite file with the split table; what a test writes is rolled back."""
    async with scratch_database("sqlite", tmp_path_factory.mktemp("split")) as url:
        await upgrade(url, rehearsals=True)
        engine = build_engine(url)
        yield session_factory(engine)
        await engine.dispose()


class TestSplitProducts(ProductRepositoryContract):
    """The repository over the split table keeps the contract of every other."""

    @pytest.fixture
    async def products(
        self, split_sessions: async_sessionmaker[AsyncSession]
    ) -> AsyncIterator[ProductRepository]:
        async with split_sessions() as session:
            yield SplitProductRepository(session)
