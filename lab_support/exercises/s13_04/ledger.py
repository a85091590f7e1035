"""The shop's books as the judge reads them: seeded, counted, and compared before and after.

Section:
    13.4, "A: all or nothing"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database.sqlite import WRITES
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.s13_04.shop import Order, OrderItem, Payment, Product, ShopBase, User
from lab_support.exercises.story import Story

BOOKS: dict[str, Any] = {
    "stock": select(Product.id, Product.stock).order_by(Product.id),
    "balance": select(User.id, User.balance).order_by(User.id),
    "orders": select(Order.id, Order.user_id).order_by(Order.id),
    "items": select(
        OrderItem.order_id, OrderItem.product_id, OrderItem.quantity, OrderItem.unit_price
    ).order_by(OrderItem.order_id, OrderItem.product_id),
    "payments": select(Payment.order_id, Payment.amount).order_by(Payment.order_id),
}


def writers(attempt: Attempt) -> async_sessionmaker[AsyncSession]:
    """Make the factory a student gets: on SQLite its transactions begin as writers, and queue."""
    return async_sessionmaker(attempt.engine, expire_on_commit=False, execution_options=dict(WRITES))


async def open_shop(story: Story, *, stock: int, products: int = 1, users: int = 1) -> None:
    """Create the tables and seed rich users and well-priced products, under ids nobody can foresee."""
    await story.create(ShopBase.metadata)
    draw = story.random
    shelf = [
        {"id": one, "name": f"p{one}", "price": Decimal(draw.randint(100, 999)) / 100, "stock": stock}
        for one in draw.sample(range(1_000, 900_000), products)
    ]
    people = [
        {"id": one, "name": f"u{one}", "balance": Decimal(draw.randint(500, 900))}
        for one in draw.sample(range(1_000, 900_000), users)
    ]
    await story.write(insert(Product), shelf)
    await story.write(insert(User), people)


async def books(story: Story) -> dict[str, list[tuple[Any, ...]]]:
    """Read every table, as tuples."""
    return {name: [tuple(row.values()) for row in await story.rows(query)] for name, query in BOOKS.items()}


def new_rows(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the orders, items and payments that were not there before."""
    return {
        name: [row for row in after[name] if row not in before[name]]
        for name in ("orders", "items", "payments")
    }
