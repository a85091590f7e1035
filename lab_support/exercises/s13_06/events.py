"""The events of an order by card, as Payments and Inventory hear and announce them.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field

from lab_support.messaging import EventTypes


class Line(BaseModel):
    """Some pieces of one product."""

    sku: str
    quantity: int = Field(ge=1)


class OrderCreated(BaseModel):
    """A customer wants to pay so much by card."""

    amount: Decimal


class OrderConfirmed(BaseModel):
    """Paid and reserved: from here on the order only goes forward."""


class OrderFailed(BaseModel):
    """The order ends without a sale; `amount` is what Orders has reckoned."""

    reason: str
    amount: Decimal


class PaymentSuccessful(BaseModel):
    """The card was charged; `lines` are the pieces that were paid for."""

    payment_id: int
    amount: Decimal
    lines: list[Line] = []


class PaymentRefunded(BaseModel):
    """The money went back."""

    payment_id: int
    amount: Decimal


class StockReleased(BaseModel):
    """Reserved pieces are free again."""

    lines: list[Line]


class ReceiptRequested(BaseModel):
    """The mail service sends a receipt as soon as it reads this; a mail cannot be called back."""

    amount: Decimal


EVENTS = EventTypes()
for _model in (
    OrderCreated,
    OrderConfirmed,
    OrderFailed,
    PaymentSuccessful,
    PaymentRefunded,
    StockReleased,
    ReceiptRequested,
):
    EVENTS.register(_model)
