"""The store's tables as mapped classes.

They live in a `MetaData` of their own, so that creating the store's tables creates the store's and no others.
`sqlite_autoincrement` keeps SQLite, too, from giving a new row the id of a deleted one.

Section:
    13.1, "A declarative entity"; 13.2 adds users, categories and what a product costs the shop; 13.4 payments
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Dialect, ForeignKey, MetaData, Numeric, String, Text, text, true
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator, TypeEngine

from lab_support.database import Base, TimestampMixin, UtcDateTime, server_utc_now, utc_now


def exact_text(characters: int) -> String:
    """Give the type of a text that equals only itself, on every engine.

    MariaDB's usual collation takes `Lamp`, `lamp`, `lámp` and `lamp ` for the same.
    """
    return String(characters).with_variant(
        String(characters, collation="utf8mb4_nopad_bin"), "mysql", "mariadb"
    )


class LongText(TypeDecorator[str]):
    """Text of up to 16 MB; MariaDB's own TEXT would end at 64 KB."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Ask MySQL and MariaDB for the longer kind."""
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import MEDIUMTEXT  # loaded with the dialect, not by others

            return dialect.type_descriptor(MEDIUMTEXT())
        return dialect.type_descriptor(Text())


class StoreBase(AsyncAttrs, Base):
    """What every table of the store has in common."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)


class Product(TimestampMixin, StoreBase):
    """Something the shop sells; `price` is money with two decimals, `stock` counts pieces.

    `supplier_cost` is what the shop pays for a piece: nobody outside may see it.
    """

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("price >= 0", name="price_not_negative"),
        CheckConstraint("stock >= 0", name="stock_not_negative"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(exact_text(200), index=True)
    description: Mapped[str | None] = mapped_column(String(500))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    stock: Mapped[int] = mapped_column(server_default=text("0"))
    is_available: Mapped[bool] = mapped_column(server_default=true())
    category: Mapped[str] = mapped_column(exact_text(50), index=True, server_default="general")
    supplier_cost: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))


class User(TimestampMixin, StoreBase):
    """Somebody with an account; `email` is in lower case, `balance` is money, the password is kept as a hash."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="balance_not_negative"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(exact_text(320), unique=True)
    user_name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(255))
    balance: Mapped[Decimal] = mapped_column(Numeric(12, 2), server_default=text("0"))


class OrderItem(StoreBase):
    """One line of an order: a product, how many, and the price of one piece on that day."""

    __tablename__ = "order_items"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))

    product: Mapped[Product] = relationship()


class Payment(StoreBase):
    """The money that one order has cost; as long as it is kept, so is the order."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime(), default=utc_now, server_default=server_utc_now()
    )


class Order(TimestampMixin, StoreBase):
    """What one customer bought in one go; orders from before there were accounts have no user and no payment.

    `items` keeps SQLAlchemy's default, lazy loading: read before a query has loaded it, it raises
    MissingGreenlet in asynchronous code. A query that needs the items says so with
    `selectinload(Order.items)`; `await order.awaitable_attrs.items` loads those of one order.
    """

    __tablename__ = "orders"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_email: Mapped[str] = mapped_column(String(320), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)

    items: Mapped[list[OrderItem]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by=OrderItem.id
    )
    payment: Mapped[Payment | None] = relationship(passive_deletes="all")


class IdempotencyKey(StoreBase):
    """The caller's name for one order, what was ordered (as a hash), and the answer that the order got."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(exact_text(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str | None] = mapped_column(LongText())
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime(), default=utc_now, server_default=server_utc_now(), index=True
    )
