"""The tables of Payments.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, MetaData, Numeric, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import NAMING_CONVENTION, TableBase, TimestampMixin, UtcDateTime
from lab_support.messaging import Event, InboxMixin, OutboxMixin
from lab_support.sagas.compensations import CompensationMixin

REQUESTED: Final = "REQUESTED"
CHARGED: Final = "CHARGED"
DECLINED: Final = "DECLINED"
UNCERTAIN: Final = "UNCERTAIN"
REFUNDED: Final = "REFUNDED"
CANCELLED: Final = "CANCELLED"

CARD_DECLINED: Final = "CARD_DECLINED"
PROVIDER_UNAVAILABLE: Final = "PROVIDER_UNAVAILABLE"


class PaymentsBase(TableBase, DeclarativeBase):
    """The parent of the mapped classes of Payments; their tables are in metadata of their own."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Payment(TimestampMixin, PaymentsBase):
    """What became of paying one order by card.

    REQUESTED until the provider has answered: then CHARGED or DECLINED. UNCERTAIN means that it was asked often
    enough without an answer; a refund then finds out. REFUNDED and CANCELLED are ends: a CANCELLED payment that
    nobody had requested yet is a tombstone, which keeps a late request from being charged.

    Attributes:
        amount: Money: what is to be charged, and once it is charged, what was.
        attempts: How often the provider was asked, the running call included: it is kept before the call.
        next_try_at: When it may be asked (again); until then another worker may be at it.
        reason: A code, such as CARD_DECLINED.
        request: The event that asked for the payment; a tombstone has none.
        reply_to: The topic of the answer; None leaves each event's own.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        Index("ix_payments_due", "status", "next_try_at"),
    )

    order_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(Uuid(), unique=True)
    customer_id: Mapped[str | None] = mapped_column(String(64))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    status: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    reason: Mapped[str | None] = mapped_column(String(50))
    request: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reply_to: Mapped[str | None] = mapped_column(String(255))

    @property
    def key(self) -> str:
        """What the provider knows the payment by: the same for each call about this order."""
        return str(self.order_id)

    @property
    def needs_provider(self) -> bool:
        """Whether the provider may have charged something that was not given back."""
        return self.status in (CHARGED, UNCERTAIN) or (self.status == REQUESTED and self.attempts > 0)

    @property
    def requested_by(self) -> Event:
        """The event that asked for the payment.

        Raises:
            pydantic.ValidationError: Nobody did: this is a tombstone.
        """
        return Event.model_validate(self.request)


class OutboxMessage(OutboxMixin, PaymentsBase):
    """The events of Payments, until they are published."""


class InboxMessage(InboxMixin, PaymentsBase):
    """The events that Payments has dealt with."""


class CompensationTask(CompensationMixin, PaymentsBase):
    """Refunds that were promised."""
