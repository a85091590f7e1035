"""A page fed by two services, and how far each has been heard.

Section:
    13.9, "As of when?"
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import BaseModel
from sqlalchemy import MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import UtcDateTime
from lab_support.database.base import NAMING_CONVENTION
from lab_support.messaging import EventTypes

SOURCES: Final = ("orders", "payments")


class PageBase(DeclarativeBase):
    """What the tables of this read model have in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime()}


class OrderPage(PageBase):
    """What is known of an order; None where its service has not been heard."""

    __tablename__ = "order_pages"

    order_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    status: Mapped[str | None] = mapped_column(String(20))
    paid: Mapped[bool | None]


class HeardOf(PageBase):
    """Up to which moment, by its own clock, everything of a source has been heard."""

    __tablename__ = "heard_of"

    source: Mapped[str] = mapped_column(String(40), primary_key=True)
    as_of: Mapped[datetime]


class OrderStatus(BaseModel):
    """Orders: this order has another status."""

    status: str


class PaymentStatus(BaseModel):
    """Payments: this order is paid, or not any more."""

    paid: bool


class CaughtUp(BaseModel):
    """Any source, every few seconds: all that happened before I say this has been sent before it."""


EVENTS = EventTypes()
EVENTS.register(OrderStatus)
EVENTS.register(PaymentStatus)
EVENTS.register(CaughtUp)
