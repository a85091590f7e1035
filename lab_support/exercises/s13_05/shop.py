"""Two services of the shop that 13.5 splits: Orders with an outbox, Inventory with an inbox, each with its own tables.

Section:
    13.5, "The outbox: one write" and "The inbox: repetitions do no harm"
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import CheckConstraint, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.messaging import InboxMixin, OutboxMixin


class OrdersBase(DeclarativeBase):
    """What the tables of the Orders service have in common."""


class Order(OrdersBase):
    """An order; the database makes its `id`, and refuses a `total` that is not above zero."""

    __tablename__ = "orders"
    __table_args__ = (CheckConstraint("total > 0", name="total_positive"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(40))
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    status: Mapped[str] = mapped_column(String(20), default="PENDING")


class OutboxMessage(OutboxMixin, OrdersBase):
    """The outbox of the Orders service."""


class InventoryBase(DeclarativeBase):
    """What the tables of the Inventory service have in common."""


class Article(InventoryBase):
    """Something on the shelf; the database refuses a shelf with less than nothing."""

    __tablename__ = "articles"
    __table_args__ = (CheckConstraint("on_hand >= 0", name="on_hand_not_negative"),)

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    on_hand: Mapped[int]


CONSUMER = "inventory"
"""The name under which Inventory notes events in its inbox."""


class InboxMessage(InboxMixin, InventoryBase):
    """The inbox of the Inventory service: one row for each consumer and event."""


ATTEMPTS = 3
"""After so many turns in which it was refused, a row of the outbox is parked."""


class MessageRefused(Exception):  # noqa: N818 - it reads as what happened
    """The broker will not have a message of the batch, and has published none of it."""
