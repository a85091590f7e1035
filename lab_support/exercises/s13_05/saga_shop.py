"""The shop of 13.5.4 and 13.5.5, split in three: tables of Orders, Customers and Inventory, and their events.

One file holds the tables of all three, to be judged quickly; a service still touches its own tables only.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel
from sqlalchemy import Numeric, String, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.messaging import EventTypes, InboxMixin, OutboxMixin


class SagaBase(DeclarativeBase):
    """What the tables of the three services have in common."""


class InboxMessage(InboxMixin, SagaBase):
    """The events that a service has dealt with."""


class OutboxMessage(OutboxMixin, SagaBase):
    """The events that a service has announced."""


class Order(SagaBase):
    """Of Orders: PENDING, then APPROVED, FAILED_NO_CREDIT or FAILED_NO_STOCK, for good."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(20), default="PENDING", server_default="PENDING")
    credit_reserved: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    stock_reserved: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class Customer(SagaBase):
    """Of Customers: `reserved` is the part of the limit that orders have taken."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    credit_limit: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    reserved: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default="0")


class CreditReservation(SagaBase):
    """Of Customers: what became of an order's credit: RESERVED, REFUSED or RELEASED."""

    __tablename__ = "credit_reservations"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None]
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2), default=Decimal(0), server_default="0")
    state: Mapped[str] = mapped_column(String(20), default="RESERVED", server_default="RESERVED")


class Stock(SagaBase):
    """Of Inventory: the pieces that nobody has reserved."""

    __tablename__ = "stock"

    sku: Mapped[str] = mapped_column(String(20), primary_key=True)
    available: Mapped[int]


class StockReservation(SagaBase):
    """Of Inventory: what became of an order's pieces: RESERVED, REFUSED or RELEASED."""

    __tablename__ = "stock_reservations"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str | None] = mapped_column(String(20))
    quantity: Mapped[int] = mapped_column(default=0, server_default="0")
    state: Mapped[str] = mapped_column(String(20), default="RESERVED", server_default="RESERVED")


class OrderCreated(BaseModel):
    """Of Orders: somebody wants pieces of a product, and will owe `total`."""

    order_id: int
    customer_id: int
    sku: str = ""
    quantity: int = 0
    total: Decimal


class CustomerCreditReserved(BaseModel):
    """Of Customers: the customer's credit covers the order."""

    order_id: int
    customer_id: int
    amount: Decimal


class CustomerCreditLimitExceeded(BaseModel):
    """Of Customers: it does not."""

    order_id: int
    customer_id: int
    amount: Decimal


class CustomerCreditReleased(BaseModel):
    """Of Customers: what was reserved for the order is free again."""

    order_id: int
    customer_id: int
    amount: Decimal


class StockReserved(BaseModel):
    """Of Inventory: the pieces are put aside."""

    order_id: int
    sku: str
    quantity: int


class StockUnavailable(BaseModel):
    """Of Inventory: there are fewer pieces than that."""

    order_id: int
    sku: str
    quantity: int


class StockReleased(BaseModel):
    """Of Inventory: the pieces are on the shelf again."""

    order_id: int
    sku: str
    quantity: int


EVENTS = (
    OrderCreated,
    CustomerCreditReserved,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    StockReserved,
    StockUnavailable,
    StockReleased,
)
TYPES = EventTypes()
for _model in EVENTS:
    TYPES.register(_model)


def sessions_on(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Make the factory that a service's consumers use."""
    return async_sessionmaker(engine, expire_on_commit=False)
