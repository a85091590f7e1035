"""A small shop that is the same every time: what lessons and examples look at.

Section:
    13.1, "N+1, counted"; 13.4, "A use case: book seats"
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Order, OrderItem, Product, User

SEED: Final = 13
PRICES: Final = MappingProxyType(
    {
        "Desk lamp": "24.90",
        "Reading lamp": "39.00",
        "Standing desk": "429.00",
        "Office chair": "189.50",
        "Bookshelf": "79.99",
        "Notebook, ruled": "3.20",
        "Fountain pen": "18.75",
        "Ink, blue": "6.10",
        "Paper, 500 sheets": "5.49",
        "Stapler": "9.95",
        "Wall clock": "22.00",
        "Waste basket": "12.30",
    }
)
CUSTOMERS: Final = ("ada@example.com", "grace@example.com", "edsger@example.com", "barbara@example.com")


async def seed(session: AsyncSession, *, orders: int = 10, items_per_order: int = 3) -> None:
    """Add twelve products and some orders of them; the caller commits.

    Args:
        session: An open session on a database that has the store's tables.
        orders: How many orders to add.
        items_per_order: How many lines each order has, 1 to 12; each is of another product.

    Raises:
        ValueError: A number is out of its range.
    """
    if orders < 0 or not 1 <= items_per_order <= len(PRICES):
        raise ValueError(
            f"Cannot seed {orders} orders of {items_per_order} items; an order has 1 to {len(PRICES)}."
        )
    chance = Random(SEED)  # noqa: S311 - the same shop every time, no secret
    products = [
        Product(name=name, price=Decimal(price), stock=chance.randint(5, 50), is_available=True)
        for name, price in PRICES.items()
    ]
    session.add_all(products)
    session.add_all([_order(chance, products, items_per_order) for _ in range(orders)])
    await session.flush()


async def seed_users(session: AsyncSession, *, balance: Decimal = Decimal("1000.00")) -> list[User]:
    """Add an account for each customer, with money to spend; the caller commits. No password fits them.

    Raises:
        sqlalchemy.exc.IntegrityError: They are there already.
    """
    users = [
        User(email=email, user_name=email.partition("@")[0].title(), password_hash="!", balance=balance)  # noqa: S106
        for email in CUSTOMERS
    ]
    session.add_all(users)
    await session.flush()
    return users


def _order(chance: Random, products: list[Product], size: int) -> Order:
    lines = [
        OrderItem(product=product, quantity=chance.randint(1, 4), unit_price=product.price)
        for product in chance.sample(products, size)
    ]
    return Order(customer_email=chance.choice(CUSTOMERS), items=lines)
