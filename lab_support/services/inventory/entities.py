"""Inventory's tables as mapped classes, in a `MetaData` of their own.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, MetaData, String, Uuid, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import NAMING_CONVENTION, TableBase, TimestampMixin
from lab_support.messaging import InboxMixin, OutboxMixin
from lab_support.sagas import CompensationMixin

RESERVED: Final = "RESERVED"
REFUSED: Final = "REFUSED"
RELEASED: Final = "RELEASED"
CANCELLED: Final = "CANCELLED"
SETTLED: Final = "SETTLED"


class InventoryBase(TableBase, DeclarativeBase):
    """What every table of Inventory has in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Stock(TimestampMixin, InventoryBase):
    """How many pieces of a product can be reserved; what is reserved is no longer among them.

    A discontinued product is neither reserved nor put back: it has left the warehouse.
    """

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("available >= 0", name="available_not_negative"),)

    sku: Mapped[str] = mapped_column(String(64), primary_key=True)
    available: Mapped[int]
    discontinued: Mapped[bool] = mapped_column(server_default=false())


class Reservation(TimestampMixin, InventoryBase):
    """What was decided about the pieces of one order, once.

    `status` is RESERVED, REFUSED (`sku` and `reason` say why) or, after a compensation, RELEASED. CANCELLED is a
    tombstone: the order failed before anything was decided, so nothing will be reserved for it any more. SETTLED was
    made good by a person.
    """

    __tablename__ = "reservations"

    order_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    pay_by: Mapped[str | None] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(20))
    sku: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(40))


class ReservationLine(InventoryBase):
    """So many pieces of one product, for one order; the product itself may leave the warehouse meanwhile."""

    __tablename__ = "reservation_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity_positive"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("reservations.order_id"), primary_key=True)
    sku: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    quantity: Mapped[int]


class OutboxMessage(OutboxMixin, InventoryBase):
    """What Inventory has to tell."""


class InboxMessage(InboxMixin, InventoryBase):
    """What Inventory has heard."""


class CompensationTask(CompensationMixin, InventoryBase):
    """Pieces that Inventory has promised to put back."""
