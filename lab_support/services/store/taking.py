"""Taking stock and money: each change and its condition are one statement, so nobody can come between them.

`UPDATE … SET stock = stock - 3 WHERE id = 7 AND stock >= 3` changes one row or none. A program that reads the stock,
decides and then writes would decide by a number that may be old.

Section:
    13.4, "Three right ways"
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, CursorResult, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.dtos import OrderLine
from lab_support.services.store.entities import Product, StoreBase, User
from lab_support.services.store.errors import (
    InsufficientPaymentError,
    ProductNotFoundError,
    ProductOutOfStockError,
    ProductUnavailableError,
    UserNotFoundError,
)

_HIGHEST_ID: Final = 2**31 - 1
_LARGEST_AMOUNT: Final = Decimal("9999999999.99")


async def take_stock(session: AsyncSession, wanted: Mapping[int, int]) -> None:
    """Take pieces of each product off the shelf, in the order of the ids, one statement each.

    Raises:
        ProductNotFoundError: A product does not exist.
        ProductUnavailableError: A product is not for sale.
        ProductOutOfStockError: There are fewer pieces of a product.
    """
    for product_id, quantity in sorted(wanted.items()):
        enough = (Product.id == product_id, Product.stock >= quantity, Product.is_available.is_(True))
        if not _possible(product_id) or not await _changed(
            session, Product, *enough, stock=Product.stock - quantity
        ):
            raise await _why_not(session, product_id, quantity)


async def priced(session: AsyncSession, wanted: Mapping[int, int]) -> list[OrderLine]:
    """Write the lines of an order whose stock is taken, with one query.

    The products are locked since then, so these are the prices of this moment and stay so until the commit.
    """
    found = await session.execute(
        select(Product.id, Product.name, Product.price).where(Product.id.in_(wanted))
    )
    products = {product.id: product for product in found}
    return [
        OrderLine(
            product_id=product_id,
            product_name=products[product_id].name,
            quantity=quantity,
            unit_price=products[product_id].price,
        )
        for product_id, quantity in wanted.items()
    ]


async def take_money(session: AsyncSession, user_id: int, amount: Decimal) -> str:
    """Take an amount from a user's balance, and give the user's e-mail address.

    Raises:
        UserNotFoundError: There is no such user.
        InsufficientPaymentError: The balance is smaller.
    """
    if not _possible(user_id):
        raise UserNotFoundError(user_id)
    # SQLite calculates with binary fractions: without rounding, 0.30 - 0.10 would no longer be enough for 0.20.
    rest = func.round(User.balance - amount, 2)
    enough = (User.id == user_id, User.balance >= amount)
    taken = amount <= _LARGEST_AMOUNT and await _changed(session, User, *enough, balance=rest)
    email = await session.scalar(select(User.email).where(User.id == user_id))
    if email is None:
        raise UserNotFoundError(user_id)
    if not taken:
        raise InsufficientPaymentError(user_id, amount)
    return email


async def _changed(
    session: AsyncSession, entity: type[StoreBase], *conditions: ColumnElement[bool], **values: Any
) -> bool:
    """Change one row if the conditions hold at this very moment, and tell whether they did."""
    statement = update(entity).where(*conditions).values(**values)
    done = await session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", done).rowcount == 1


async def _why_not(session: AsyncSession, product_id: int, quantity: int) -> Exception:
    product = await session.get(Product, product_id) if _possible(product_id) else None
    if product is None:
        return ProductNotFoundError(product_id)
    if not product.is_available:
        return ProductUnavailableError(product_id)
    return ProductOutOfStockError(product_id, quantity)


def _possible(id_: int) -> bool:
    """Tell whether a row could have this id; a driver would call it an error to ask for another."""
    return 1 <= id_ <= _HIGHEST_ID
