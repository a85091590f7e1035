"""What Payments shows over HTTP.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from lab_support.services.vocabulary import Money


class RefundRead(BaseModel):
    """What became of giving the money back."""

    status: Literal["OPEN", "DONE", "REQUIRES_REVIEW", "SETTLED"]
    attempts: int = Field(description="Tries that failed, and the one that succeeded.")
    last_reason: str | None = Field(description="Why the last try failed.")


class PaymentRead(BaseModel):
    """The payment of one order."""

    order_id: UUID
    payment_id: UUID
    customer_id: str | None = Field(description="Null when the order was cancelled before it was to be paid.")
    amount: Money | None = Field(description="What is to be charged, or was.", examples=["49.80"])
    status: Literal["REQUESTED", "CHARGED", "DECLINED", "UNCERTAIN", "REFUNDED", "CANCELLED"]
    reason: str | None = Field(examples=["CARD_DECLINED"])
    attempts: int = Field(description="How often the provider was asked to charge.")
    refund: RefundRead | None
    created_at: datetime
    updated_at: datetime
