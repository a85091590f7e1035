"""Customers' tables as mapped classes, in a `MetaData` of their own.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, MetaData, Numeric, String, Uuid, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import NAMING_CONVENTION, TableBase, TimestampMixin, UtcDateTime
from lab_support.messaging import InboxMixin, OutboxMixin
from lab_support.sagas import CompensationMixin

RESERVED: Final = "RESERVED"
REFUSED: Final = "REFUSED"
RELEASED: Final = "RELEASED"
CANCELLED: Final = "CANCELLED"
SETTLED: Final = "SETTLED"


class CustomersBase(TableBase, DeclarativeBase):
    """What every table of Customers has in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Customer(TimestampMixin, CustomersBase):
    """Somebody who buys; `credit` is what is left of it, so what is reserved is no longer part of it.

    The last order is the newest that Orders has told of, whatever became of it.
    """

    __tablename__ = "customers"
    __table_args__ = (CheckConstraint("credit >= 0", name="credit_not_negative"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(320))
    credit: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    blocked: Mapped[bool] = mapped_column(server_default=false())
    last_order_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_order_id: Mapped[UUID | None] = mapped_column(Uuid())


class CreditReservation(TimestampMixin, CustomersBase):
    """What was decided about the credit for one order, once.

    `status` is RESERVED, REFUSED or, after a compensation, RELEASED. CANCELLED is a tombstone: the order failed before
    anything was decided, so nothing will be reserved or verified for it any more. SETTLED was made good by a person.
    `confirmed_at` is set when the order stands: from then on nothing gives the credit back.
    """

    __tablename__ = "credit_reservations"
    __table_args__ = (Index("ix_credit_reservations_customer", "customer_id", "status", "amount"),)

    order_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    customer_id: Mapped[str | None] = mapped_column(String(64))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(40))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class Letter(CustomersBase):
    """A letter that was sent for an order. Nobody can take it back, so it is sent after the pivot, once."""

    __tablename__ = "letters"

    order_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime())


class OutboxMessage(OutboxMixin, CustomersBase):
    """What Customers has to tell."""


class InboxMessage(InboxMixin, CustomersBase):
    """What Customers has heard."""


class CompensationTask(CompensationMixin, CustomersBase):
    """Credit that Customers has promised to release."""
