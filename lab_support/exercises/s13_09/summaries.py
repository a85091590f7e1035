"""A read model: one row for each order, projected from the events that Orders announces.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from pydantic import BaseModel, Field
from sqlalchemy import MetaData, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import UtcDateTime
from lab_support.database.base import NAMING_CONVENTION
from lab_support.messaging import EventTypes, InboxMixin

CONSUMER: Final = "order-summaries"


class SummaryBase(DeclarativeBase):
    """What the tables of this read model have in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime(), Decimal: Numeric(12, 2)}


class Inbox(InboxMixin, SummaryBase):
    """The events that were dealt with."""


class OrderSummary(SummaryBase):
    """What a list of orders shows of each; `status_number` is that of the status it shows."""

    __tablename__ = "order_summaries"

    order_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    units: Mapped[int] = mapped_column(default=0)
    total: Mapped[Decimal] = mapped_column(default=Decimal(0))
    status: Mapped[str] = mapped_column(String(20), default="NEW")
    status_number: Mapped[int] = mapped_column(default=0)


class LineAdded(BaseModel):
    """Some units were added to an order, for so much money."""

    units: int = Field(ge=1)
    amount: Decimal


class StatusChanged(BaseModel):
    """An order has another status; Orders counts each order's changes: 1, 2, 3 and so on."""

    status: str
    number: int = Field(ge=1)


EVENTS = EventTypes()
EVENTS.register(LineAdded)
EVENTS.register(StatusChanged)
