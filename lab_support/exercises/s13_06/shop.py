"""The shop that 13.6 rolls back: payments and stock, what undoes them, and a queue for people.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, CheckConstraint, ForeignKey, MetaData, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import UtcDateTime, utc_now
from lab_support.database.base import NAMING_CONVENTION
from lab_support.messaging import InboxMixin, OutboxMixin


class CardBase(DeclarativeBase):
    """What the tables of these exercises have in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime(), Decimal: Numeric(12, 2)}


class OutboxMessage(OutboxMixin, CardBase):
    """The events that wait for the relay."""


class Inbox(InboxMixin, CardBase):
    """The events that were dealt with, for those who keep an inbox."""


class PaymentState(StrEnum):
    """What became of an order's payment."""

    CHARGED = "CHARGED"
    DECLINED = "DECLINED"
    CONFIRMED = "CONFIRMED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"


class Payment(CardBase):
    """The one payment of an order; `amount` is what the card was asked for."""

    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(String(36), unique=True)
    amount: Mapped[Decimal]
    state: Mapped[str] = mapped_column(String(20))


class Refund(CardBase):
    """Money that went back to a card. The table takes as many as it is given."""

    __tablename__ = "refunds"

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    amount: Mapped[Decimal]


class Stock(CardBase):
    """The pieces of a product that are free to sell; `stocktake` is the number of the last count of the shelf."""

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("free >= 0", name="free_not_negative"),)

    sku: Mapped[str] = mapped_column(String(40), primary_key=True)
    free: Mapped[int]
    stocktake: Mapped[int]


class ReservationState(StrEnum):
    """What became of reserved pieces."""

    HELD = "HELD"
    RELEASED = "RELEASED"
    REQUIRES_REVIEW = "REQUIRES_REVIEW"


class Reservation(CardBase):
    """Pieces taken from `Stock.free` for an order, while `stocktake` was the last count."""

    __tablename__ = "reservations"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(String(36), index=True)
    sku: Mapped[str] = mapped_column(String(40))
    units: Mapped[int]
    stocktake: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default=ReservationState.HELD)


class Review(CardBase):
    """Something that no program can settle: it waits for a person until its state is another."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(String(36), index=True)
    event_id: Mapped[str] = mapped_column(String(36), index=True)
    event: Mapped[dict[str, Any]] = mapped_column(JSON())
    reason: Mapped[str] = mapped_column(String(40))
    about: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20), default="REQUIRES_REVIEW")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
