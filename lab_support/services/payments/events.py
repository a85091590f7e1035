"""What Payments tells the others, and what it reads of theirs.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from lab_support.messaging import EventTypes
from lab_support.services.vocabulary import Compensation, CustomerId, Lines, Money, Payload

TOPIC = "payment"
COMMANDS = "payment.commands"
REPLIES = "order.replies"
Reason = Annotated[str, Field(pattern=r"^[A-Z_]{1,100}$")]
"""A code such as REFUND_REFUSED, never the text of an exception."""


# --- published under "payment", of the aggregate "payment" (its id is the order's)
class PaymentSuccessful(Payload):
    """The card was charged."""

    order_id: UUID
    customer_id: CustomerId
    payment_id: UUID
    amount: Money
    items: Lines


class PaymentFailed(Payload):
    """The card was not charged, and won't be."""

    order_id: UUID
    customer_id: CustomerId
    reason: Literal["CARD_DECLINED", "PROVIDER_UNAVAILABLE"]


class PaymentRefunded(Payload):
    """What was charged has been given back."""

    order_id: UUID
    customer_id: CustomerId
    payment_id: UUID
    amount: Money


class NothingToCompensate(Payload):
    """Nothing was charged for the order, and nothing will be."""

    order_id: UUID
    action: Compensation


class CompensationFailed(Payload):
    """The money can't be given back; a person has to look."""

    order_id: UUID
    service: Literal["payments"] = "payments"
    action: Compensation
    reason: Reason
    attempts: int = Field(ge=0)


# --- read
class CustomerVerified(Payload):
    """Customers knows the buyer, who may pay by card."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class InventoryReservationFailed(Payload):
    """Inventory lacks pieces for an order by card."""

    order_id: UUID


class OrderFailed(Payload):
    """Orders says that an order will not stand, and what has to be made good."""

    order_id: UUID
    customer_id: CustomerId
    compensate: list[Compensation] = Field(default_factory=list)


class ReviewResolved(Payload):
    """A person has decided about a compensation that had failed for good."""

    order_id: UUID
    service: str
    action: Compensation
    resolution: Literal["retry", "settled"]


# --- commands of the orchestrator; the answers are the events above, under "order.replies"
class ChargePayment(Payload):
    """Charge the card of a customer."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class RefundPayment(Payload):
    """Give back what was charged."""

    order_id: UUID
    customer_id: CustomerId


PUBLISHED = (PaymentSuccessful, PaymentFailed, PaymentRefunded, NothingToCompensate, CompensationFailed)
READ = (CustomerVerified, InventoryReservationFailed, OrderFailed, ReviewResolved)
COMMANDED = (ChargePayment, RefundPayment)

EVENTS = EventTypes()
for _model in (*PUBLISHED, *READ, *COMMANDED):
    EVENTS.register(_model)
