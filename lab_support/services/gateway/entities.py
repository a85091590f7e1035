"""The gateway's tables: a read model, and what keeps it right. Nothing here is the truth; the owners have that.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, MetaData, Numeric, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import NAMING_CONVENTION, TableBase
from lab_support.messaging import InboxMixin, OutboxMixin

THE_ONE: Final = 1
FIRST_GENERATION: Final = 1


class GatewayBase(TableBase, DeclarativeBase):
    """What every table of the gateway has in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class OrderSummary(GatewayBase):
    """One order as the events tell it, in one generation of the read model.

    Each status has a stage beside it: how far that service's story of the order has come. An event of an earlier stage
    changes nothing, so it does not matter in which order events come. What is null was not told yet.
    """

    __tablename__ = "order_summaries"
    __table_args__ = (
        Index("ix_order_summaries_customer", "generation", "customer_id", "ordered_at", "order_id"),
    )

    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    customer_id: Mapped[str | None] = mapped_column(String(64))
    pay_by: Mapped[str | None] = mapped_column(String(20))
    total: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    items: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    ordered_at: Mapped[datetime | None]
    status: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(100))
    order_stage: Mapped[int] = mapped_column(default=0)
    credit: Mapped[str | None] = mapped_column(String(20))
    credit_stage: Mapped[int] = mapped_column(default=0)
    payment: Mapped[str | None] = mapped_column(String(20))
    payment_stage: Mapped[int] = mapped_column(default=0)
    stock: Mapped[str | None] = mapped_column(String(20))
    stock_stage: Mapped[int] = mapped_column(default=0)
    updated_at: Mapped[datetime]


class Hearing(GatewayBase):
    """When the newest event of a service happened that a generation has heard of, by the service's own clock."""

    __tablename__ = "hearings"

    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    service: Mapped[str] = mapped_column(String(20), primary_key=True)
    newest_at: Mapped[datetime]


class Generation(GatewayBase):
    """Which generation of the read model is shown, and which one, if any, is being built: one row."""

    __tablename__ = "generations"
    __table_args__ = (CheckConstraint(f"id = {THE_ONE}", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shown: Mapped[int]
    building: Mapped[int | None]


class OutboxMessage(OutboxMixin, GatewayBase):
    """What the gateway has to tell; so far that is nothing."""


class InboxMessage(InboxMixin, GatewayBase):
    """What the gateway has heard. Its `event` is kept, until the housekeeper forgets the row: a rebuild reads it."""
