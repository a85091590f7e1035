"""The store's tables and its seed, on each engine: what the database itself guarantees."""

import gc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import IntegrityError, MissingGreenlet, OperationalError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, configure_mappers, joinedload, mapped_column, selectinload

from lab_support.database import Base, trace_sql
from lab_support.services.store.entities import Order, OrderItem, Product, StoreBase
from lab_support.services.store.seed import seed


async def look(store: FastAPI, question: Callable[[Any], Any]) -> Any:
    async with store.state.engine.connect() as connection:
        return await connection.run_sync(lambda sync: question(inspect(sync)))


def product(**fields: Any) -> Product:
    return Product(**{"name": "Lamp", "price": Decimal("1.00")} | fields)


def order(**fields: Any) -> Order:
    line = {"product": product(), "quantity": 1, "unit_price": Decimal("1.00")} | fields
    return Order(customer_email="ada@example.com", items=[OrderItem(**line)])


async def test_store_has_its_tables_and_no_others(store: FastAPI) -> None:
    """Nobody else's tables are created with the store's."""
    tables = set(await look(store, lambda db: db.get_table_names()))

    assert tables == {"products", "orders", "order_items", "users", "payments", "idempotency_keys"}
    assert StoreBase.metadata is not Base.metadata


async def test_constraints_and_indexes_have_names(store: FastAPI) -> None:
    """The naming convention reaches the database, so that a migration can name what it changes."""
    indexes = {index["name"] for index in await look(store, lambda db: db.get_indexes("products"))}
    checks = {check["name"] for check in await look(store, lambda db: db.get_check_constraints("products"))}
    foreign = {key["name"] for key in await look(store, lambda db: db.get_foreign_keys("order_items"))}

    assert indexes == {"ix_products_name", "ix_products_category"}
    assert {"ck_products_price_not_negative", "ck_products_stock_not_negative"} <= checks
    assert foreign == {"fk_order_items_order_id_orders", "fk_order_items_product_id_products"}


async def test_server_fills_in_stock_and_availability(store: FastAPI) -> None:
    """A row written without Python gets stock 0, availability and its times."""
    async with store.state.sessions() as session:
        await session.execute(text("INSERT INTO products (name, price) VALUES ('Lamp', 0.10)"))
        await session.commit()
        stored = (await session.scalars(select(Product))).one()

    assert (stored.stock, stored.is_available, stored.price) == (0, True, Decimal("0.10"))
    assert stored.created_at.tzinfo is not None


async def test_three_dimes_are_thirty_cents(store: FastAPI) -> None:
    """Money adds up exactly."""
    async with store.state.sessions() as session:
        session.add_all([product(price=Decimal("0.10")) for _ in range(3)])
        await session.commit()

        assert await session.scalar(select(func.sum(Product.price))) == Decimal("0.30")


@pytest.mark.parametrize(
    "make",
    [
        lambda: product(price=Decimal("-0.01")),
        lambda: product(stock=-1),
        lambda: product(name=None),
        lambda: product(price=None),
        lambda: order(quantity=0),
        lambda: order(unit_price=Decimal("-1")),
        lambda: OrderItem(order_id=1, product_id=999, quantity=1, unit_price=Decimal(1)),
    ],
    ids=["price", "stock", "name", "no price", "quantity", "unit price", "no product"],
)
async def test_database_refuses_what_makes_no_sense(store: FastAPI, make: Callable[[], object]) -> None:
    """The tables hold their rules even against code that skips the API; MariaDB calls a broken CHECK operational."""
    async with store.state.sessions() as session:
        session.add(make())
        with pytest.raises((IntegrityError, OperationalError), match=r"(?i)constraint|null"):
            await session.commit()


async def test_items_go_with_their_order(store: FastAPI) -> None:
    """Deleting an order deletes its items and leaves the products."""
    async with store.state.sessions() as session:
        await seed(session, orders=2, items_per_order=3)
        await session.commit()
        await session.delete((await session.scalars(select(Order))).first())
        await session.commit()

        assert await count(session, OrderItem) == 3
        assert await count(session, Product) == 12


async def count(session: AsyncSession, table: type[Any]) -> int | None:
    return await session.scalar(select(func.count()).select_from(table))


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_items_that_were_not_loaded_are_refused(store: FastAPI) -> None:
    """Lazy loading raises MissingGreenlet in asynchronous code, and `awaitable_attrs` is its honest form."""
    async with store.state.sessions() as session:
        await seed(session, orders=1)
        await session.commit()
    async with store.state.sessions() as session:
        found = (await session.scalars(select(Order))).one()
        with pytest.raises((MissingGreenlet, StatementError), match="greenlet_spawn"):
            len(found.items)
        gc.collect()  # the driver's abandoned coroutine says so here, not in another test
        assert len(await found.awaitable_attrs.items) == 3


@pytest.mark.parametrize(
    ("how", "statements"),
    [(None, 11), (selectinload(Order.items), 2), (joinedload(Order.items), 1)],
    ids=["lazy", "selectinload", "joinedload"],
)
async def test_ten_orders_cost_as_many_statements_as_they_are_loaded(
    store: FastAPI, how: Any, statements: int
) -> None:
    """N+1 is countable: 11 statements lazily, 2 with selectinload, 1 with joinedload."""
    async with store.state.sessions() as session:
        await seed(session, orders=10)
        await session.commit()
    query = select(Order).order_by(Order.id).options(*([how] if how else []))

    async with store.state.sessions() as session:
        with trace_sql(store.state.engine) as trace:
            orders = (await session.scalars(query)).unique().all()
            lines = [len(await order.awaitable_attrs.items) for order in orders]

    assert lines == [3] * 10
    assert len(trace.statements) == statements


async def test_seed_makes_the_same_shop_every_time(store: FastAPI) -> None:
    """Two seeds differ in nothing but their ids, and nothing stays unless the caller commits."""
    async with store.state.sessions() as session:
        await seed(session)
        await session.rollback()
        assert await count(session, Product) == 0
    shops = []
    for _ in range(2):
        async with store.state.sessions() as session:
            await seed(session, orders=4, items_per_order=2)
            query = select(OrderItem).order_by(OrderItem.id).options(selectinload(OrderItem.product))
            items = (await session.scalars(query)).all()
            shops.append(
                [(item.product.name, item.product.stock, item.quantity, item.unit_price) for item in items]
            )
            await session.rollback()

    assert shops[0] == shops[1]
    assert len(shops[0]) == 8


@pytest.mark.parametrize("numbers", [{"orders": -1}, {"items_per_order": 0}, {"items_per_order": 13}])
async def test_seed_refuses_impossible_numbers(store: FastAPI, numbers: dict[str, int]) -> None:
    """The error says which numbers are possible."""
    async with store.state.sessions() as session:
        with pytest.raises(ValueError, match="1 to 12"):
            await seed(session, **numbers)


@pytest.mark.parametrize("shop_backend", ["sqlite"], indirect=True)
async def test_class_of_the_same_name_does_not_disturb_the_store(store: FastAPI) -> None:
    """A lesson's own `Order` and `OrderItem` on the common base and the store's live side by side."""
    namesakes = [namesake("Order", "orders"), namesake("OrderItem", "order_items")]
    try:
        configure_mappers()
        async with store.state.sessions() as session:
            session.add(order())
            await session.commit()
            loaded = (await session.scalars(select(Order).options(selectinload(Order.items)))).one()
        assert [type(item) for item in loaded.items] == [OrderItem]
    finally:
        for lesson in namesakes:
            Base.metadata.remove(lesson.__table__)


def namesake(name: str, table: str) -> Any:
    members = {"__tablename__": table, "__module__": __name__, "__annotations__": {"id": Mapped[int]}}
    return type(name, (Base,), members | {"id": mapped_column(primary_key=True)})
