"""A small shop for tests of orders: it is filled, its books are read, and they must always balance."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import create_tables
from lab_support.services.store.entities import (
    IdempotencyKey,
    Order,
    OrderItem,
    Payment,
    Product,
    StoreBase,
    User,
)

LIMIT_S = 60


@dataclass(frozen=True)
class Books:
    """What the shop has and what it sold."""

    stock: tuple[int, ...]
    balances: tuple[Decimal, ...]
    orders: int
    pieces: int
    sold_for: Decimal
    paid: Decimal
    keys: int


async def open_shop(
    engine: AsyncEngine,
    *,
    stock: Sequence[int] = (5,),
    prices: Sequence[str] = ("24.90",),
    balances: Sequence[str] = ("1000.00",),
) -> None:
    """Fill empty tables: products and users have the ids 1, 2, 3, …"""
    await create_tables(engine, StoreBase.metadata)
    shelves = list(zip(stock, prices, strict=True))
    products = [{"name": f"p{n}", "stock": s, "price": Decimal(p)} for n, (s, p) in enumerate(shelves, 1)]
    users = [
        {"email": f"u{n}@x.y", "user_name": "u", "password_hash": "!", "balance": Decimal(b)}
        for n, b in enumerate(balances, 1)
    ]
    async with engine.begin() as connection:
        for entity, rows in ((Product, products), (User, users)):
            for row in rows:  # one by one, so that the ids follow each other
                await connection.execute(insert(entity).values(row))


async def read_books(engine: AsyncEngine) -> Books:
    """Read all of it in one transaction."""
    async with engine.connect() as connection:
        lines = func.sum(OrderItem.quantity), func.sum(OrderItem.quantity * OrderItem.unit_price)
        pieces, sold_for = (await connection.execute(select(*lines))).one()
        paid = await connection.scalar(select(func.sum(Payment.amount)))
        answered = select(func.count(IdempotencyKey.answer))
        return Books(
            stock=tuple(await connection.scalars(select(Product.stock).order_by(Product.id))),
            balances=tuple(await connection.scalars(select(User.balance).order_by(User.id))),
            orders=await connection.scalar(select(func.count(Order.id))) or 0,
            pieces=int(pieces or 0),
            sold_for=money(sold_for),
            paid=money(paid),
            keys=await connection.scalar(answered) or 0,
        )


def money(amount: object) -> Decimal:
    """Give a sum as an exact amount; SQLite adds up binary fractions."""
    return Decimal(str(amount or 0)).quantize(Decimal("0.01"))


async def assert_balanced(engine: AsyncEngine, before: Books) -> Books:
    """What left the shelves is in the orders, what left the accounts is in the payments, and nothing is half done."""
    after = await read_books(engine)

    assert sum(before.stock) - sum(after.stock) == after.pieces - before.pieces
    assert sum(before.balances) - sum(after.balances) == after.paid - before.paid
    assert after.sold_for - before.sold_for == after.paid - before.paid
    assert min((*after.stock, *after.balances)) >= 0
    async with engine.connect() as connection:
        for entity in (Payment, OrderItem):
            found = await connection.scalar(select(func.count(entity.order_id.distinct())))
            assert found == after.orders
        keys = await connection.scalar(select(func.count(IdempotencyKey.key)))
        assert keys == after.keys
    return after


async def assert_no_connection_is_out(engine: AsyncEngine) -> None:
    """Every connection is back, after the event loop had a chance to end what was cancelled."""
    await asyncio.sleep(0)

    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def start_buying(url: str, *words: str) -> Process:
    """Start a process that orders; see `buying_process`."""
    script = Path(__file__).with_name("buying_process.py")
    return await asyncio.create_subprocess_exec(
        sys.executable, str(script), url, *words, stdin=PIPE, stdout=PIPE
    )


async def said(process: Process, word: str) -> None:
    """Wait until a process has printed a line."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        assert (await process.stdout.readline()).decode().strip() == word
