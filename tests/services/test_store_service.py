"""The store's services with repositories in memory, and how a request's one session reaches them."""

import ast
import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import trace_sql
from lab_support.services import create_app, running_app
from lab_support.services.store import service
from lab_support.services.store.api import Session, commit, product_repository, user_repository
from lab_support.services.store.dtos import UserCreate
from lab_support.services.store.entities import Order, OrderItem, Product
from lab_support.services.store.errors import (
    EmailTakenError,
    EmptyUpdateError,
    ProductNotFoundError,
    UserNotFoundError,
)
from lab_support.services.store.repository import (
    InMemoryProductRepository,
    InMemoryUserRepository,
    ProductRepository,
    ProductSearch,
)
from lab_support.services.store.service import Commit, ProductService, UserService
from tests.services.test_store_http import before_any_engine


class Commits:
    """Count commits instead of making them."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def commits() -> Commits:
    return Commits()


LAMP: dict[str, Any] = {"name": "Desk lamp", "price": 1}


async def test_use_cases_of_products_need_no_database(commits: Commits) -> None:
    """The service works on a fake without a statement, and commits once for each change."""
    products = ProductService(InMemoryProductRepository(), commits)
    with trace_sql() as trace:
        created = await products.create(LAMP)
        changed = await products.change(created.id, {"stock": 2})
        page = await products.browse(ProductSearch(), skip=0, limit=1)
        await products.create(LAMP)
        first, second = (
            await products.browse(ProductSearch(), limit=1),
            await products.browse(ProductSearch(), skip=1),
        )
        await products.delete(created.id)

    assert trace.statements == []
    assert commits.count == 4
    assert (changed.stock, page.next, first.next, second.next) == (2, None, created.id, None)
    assert [one.id for one in second.items] == [2]


async def test_refusal_commits_nothing(commits: Commits) -> None:
    """What is refused leaves the transaction to be rolled back."""
    products, users = (
        ProductService(InMemoryProductRepository(), commits),
        UserService(InMemoryUserRepository(), commits),
    )

    for refused, error in (
        (products.get(1), ProductNotFoundError),
        (products.change(1, {"stock": 1}), ProductNotFoundError),
        (products.change(1, {}), EmptyUpdateError),
        (products.delete(1), ProductNotFoundError),
        (users.get(1), UserNotFoundError),
    ):
        with pytest.raises(error):
            await refused
    assert commits.count == 0


async def test_second_user_of_an_address_is_refused_in_memory_too(commits: Commits) -> None:
    """The rule is the repository's contract and not a trick of one engine."""
    users = UserService(InMemoryUserRepository(), commits)
    wanted = UserCreate(email="ada@example.com", user_name="Ada", password=SecretStr("x" * 12))

    registered = await users.register(wanted)
    with pytest.raises(EmailTakenError):
        await users.register(wanted)

    assert commits.count == 1
    assert (await users.get(registered.id)).email == "ada@example.com"


def test_service_names_neither_sqlalchemy_nor_a_class_of_it() -> None:
    """The module imports protocols, and nothing that knows a database."""
    tree = ast.parse(Path(service.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)]
    modules = {getattr(node, "module", None) or node.names[0].name for node in imports}
    names = {alias.name for node in imports for alias in node.names}

    assert not any(module.split(".")[0] in ("sqlalchemy", "fastapi", "starlette") for module in modules)
    assert not any(name.startswith(("SqlAlchemy", "InMemory")) for name in names)


async def test_whole_api_runs_on_fakes_without_a_statement() -> None:
    """The provider is the one place to choose: with fakes in it the routes ask no database."""
    app = create_app(only=("store",))
    store: FastAPI = app.state.services["store"]
    products, users = InMemoryProductRepository(), InMemoryUserRepository()
    store.dependency_overrides[product_repository] = lambda: products
    store.dependency_overrides[user_repository] = lambda: users
    store.dependency_overrides[commit] = Commits
    async with running_app(app=app) as client:
        with trace_sql() as trace:
            lamp = {"product_name": "Lamp", "price": "1.00"}
            ada = {"email": "ada@example.com", "user_name": "Ada", "password": "x" * 12}
            answers = [
                await client.post("/store/products", json=lamp),
                await client.patch("/store/products/1", json={"stock": 3}),
                await client.get("/store/products?category=general&max_price=1"),
                await client.post("/store/users", json=ada),
                await client.post("/store/users", json=ada),
                await client.delete("/store/products/1"),
                await client.get("/store/products/1"),
            ]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 201, 409, 204, 404]
    assert answers[2].json()["items"][0]["stock"] == 3
    assert trace.statements == []


@before_any_engine
async def test_one_request_has_one_session(client: httpx.AsyncClient, store: FastAPI) -> None:
    """Repository, commit and endpoint work in the same session, and two requests in two."""
    seen: list[set[int]] = []
    kept: list[object] = []

    async def look(
        session: Session,
        products: Annotated[ProductRepository, Depends(product_repository)],
        end: Annotated[Commit, Depends(commit)],
    ) -> None:
        sessions: list[AsyncSession] = [session, products._session, end.__self__]  # type: ignore[attr-defined]
        kept.extend(sessions)
        seen.append({id(one) for one in sessions})

    store.add_api_route("/look", look)
    try:
        await asyncio.gather(*(client.get("/store/look") for _ in range(2)))
    finally:
        store.router.routes[:] = [
            route for route in store.router.routes if getattr(route, "path", "") != "/look"
        ]

    assert [len(one) for one in seen] == [1, 1]
    assert seen[0] != seen[1]


async def test_order_is_shown_flat_with_its_sum(client: httpx.AsyncClient, store: FastAPI) -> None:
    """Lines carry their product's name, and the sum is exact; an order that is not there is 404."""
    async with store.state.sessions() as session:
        lamp = Product(name="Desk lamp", price=5, supplier_cost=3)
        lines = [
            OrderItem(product=lamp, quantity=3, unit_price="0.10"),
            OrderItem(product=lamp, quantity=1, unit_price="4.05"),
        ]
        session.add_all([order := Order(customer_email="ada@example.com", items=lines)])
        session.add(empty := Order(customer_email="ada@example.com", items=[]))
        await session.commit()

    with trace_sql(store.state.engine) as trace:
        answer = await client.get(f"/store/orders/{order.id}")

    line = {"product_id": lamp.id, "product_name": "Desk lamp"}
    assert answer.json() == {
        "order_id": order.id,
        "customer_email": "ada@example.com",
        "lines": [
            line | {"quantity": 3, "unit_price": "0.10", "line_total": "0.30"},
            line | {"quantity": 1, "unit_price": "4.05", "line_total": "4.05"},
        ],
        "total": "4.35",
    }
    assert len(trace.statements) == 2
    assert (await client.get(f"/store/orders/{empty.id}")).json()["total"] == "0.00"
    for order_id in (10**6, 2**40, 0):
        assert (await client.get(f"/store/orders/{order_id}")).status_code == 404
