"""The tables of Orders, in a metadata of their own.

Section:
    13.5, "One shop, several databases"; 13.9, "One database per service, by URL"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Uuid,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from lab_support.database import NAMING_CONVENTION, TableBase
from lab_support.messaging import InboxMixin, OutboxMixin
from lab_support.sagas import SagaMixin

MAX_NOTE = 500
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone


class OrdersBase(TableBase, DeclarativeBase):
    """What every table of Orders has in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class OutboxMessage(OutboxMixin, OrdersBase):
    """What Orders has to tell the others."""


class InboxMessage(InboxMixin, OrdersBase):
    """What Orders has heard."""


class Saga(SagaMixin, OrdersBase):
    """Where the orchestrated sagas are."""


class OrderLine(OrdersBase):
    """So many pieces of one product, at the price of one piece on that day; `position` is the buyer's sequence."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    sku: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))


class Order(OrdersBase):
    """An order and where it is: `status` changes once, from waiting to one of the ends (see `states`).

    `reason` is a code and `failed_step` an action's name; both are null unless the order has failed. Section 13.5's
    semantic lock is the status too: while it waits, nobody but the saga changes the order.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("total >= 0", name="total_not_negative"),
        Index("ix_orders_due", "status", "deadline_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    saga_id: Mapped[UUID] = mapped_column(Uuid(), unique=True)
    customer_id: Mapped[str] = mapped_column(String(64), index=True)
    pay_by: Mapped[str] = mapped_column(String(20))
    coordination: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(30))
    reason: Mapped[str | None] = mapped_column(String(100))
    failed_step: Mapped[str | None] = mapped_column(String(50))
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    delivery_note: Mapped[str | None] = mapped_column(String(MAX_NOTE))
    deadline_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    lines: Mapped[list[OrderLine]] = relationship(
        order_by=OrderLine.position, passive_deletes=True, lazy="raise"
    )


class Price(OrdersBase):
    """A copy of what the catalogue says about one product, kept by its events and by nobody else.

    Its key is the owner's key: a sku can pass from one product to another. `version` is the product's in the
    catalogue, 0 for a row that no event has told, and `as_of` is when the catalogue said it. A discontinued
    product keeps its row, so that an older event that comes late finds it.
    """

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("unit_price >= 0", name="unit_price_not_negative"),
        Index("ix_prices_sku", "sku"),
    )

    product_id: Mapped[str] = mapped_column(String(24), primary_key=True, default=lambda: uuid4().hex[:24])
    sku: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    as_of: Mapped[datetime | None]
    discontinued_at: Mapped[datetime | None]


class TimelineEntry(OrdersBase):
    """One event of an order's saga, as Orders has sent or heard it; `service` is who tells it."""

    __tablename__ = "timeline"
    __table_args__ = (Index("ix_timeline_order", "order_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    event_id: Mapped[UUID] = mapped_column(Uuid(), unique=True)
    order_id: Mapped[UUID] = mapped_column(Uuid())
    saga_id: Mapped[UUID | None] = mapped_column(Uuid())
    causation_id: Mapped[UUID | None] = mapped_column(Uuid())
    service: Mapped[str] = mapped_column(String(50))
    type: Mapped[str] = mapped_column(String(255))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON())
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


class Review(OrdersBase):
    """A compensation that failed for good and waits for a person; of one order and action at most one is open.

    `causation_id` is the event that said so last; null when the orchestrator heard nothing at all.
    """

    __tablename__ = "reviews"
    __table_args__ = (Index("ix_reviews_open", "resolved_at", "opened_at"),)

    id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(Uuid(), index=True)
    saga_id: Mapped[UUID] = mapped_column(Uuid())
    service: Mapped[str] = mapped_column(String(50))
    action: Mapped[str] = mapped_column(String(50))
    reason: Mapped[str] = mapped_column(String(100))
    attempts: Mapped[int]
    causation_id: Mapped[UUID | None] = mapped_column(Uuid())
    opened_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(String(MAX_NOTE))


class IdempotencyKey(OrdersBase):
    """The caller's name for one order, what was ordered (as a hash), and the answer that the order got."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(
        String(200).with_variant(String(200, collation="utf8mb4_nopad_bin"), "mysql", "mariadb"),
        primary_key=True,
    )
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(index=True)
