"""The small shop that 13.4 sells in: five tables, and the refusals of its own that its services raise.

Section:
    13.4, "A use case: book seats"
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class ShopBase(DeclarativeBase):
    """What the tables of the shop have in common."""


class Product(ShopBase):
    """Something to sell: `stock` counts pieces; `version` is there for those who count changes."""

    __tablename__ = "products"
    __table_args__ = (CheckConstraint("stock >= 0", name="stock_not_negative"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    stock: Mapped[int]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class User(ShopBase):
    """Somebody who buys; `balance` is the money that is left."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("balance >= 0", name="balance_not_negative"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    balance: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))


class Order(ShopBase):
    """An order; `reference` is the buyer's own number for it, and no two orders may have the same."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reference: Mapped[str | None] = mapped_column(String(40), unique=True)


class OrderItem(ShopBase):
    """One line of an order, at the price of one piece on that day."""

    __tablename__ = "order_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))


class Payment(ShopBase):
    """What was taken from a user's balance for an order."""

    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))


class ShopError(Exception):
    """The shop refuses what was asked."""


class UnknownProduct(ShopError):  # noqa: N818 - it reads as what happened
    """There is no such product."""


class OutOfStock(ShopError):  # noqa: N818
    """There are fewer pieces than were asked for."""


class InsufficientBalance(ShopError):  # noqa: N818
    """The user has less money than the order costs."""


class DuplicateOrder(ShopError):  # noqa: N818
    """There is an order with this reference already; `order_id` is its id."""

    def __init__(self, order_id: int) -> None:
        super().__init__(f"This is order {order_id} already.")
        self.order_id = order_id
