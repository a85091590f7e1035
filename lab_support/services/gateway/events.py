"""What the gateway reads of the others' events: as much as a summary needs. It tells nothing itself.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from lab_support.messaging import EventTypes
from lab_support.services.vocabulary import Compensation, CustomerId, Lines, Money, PayBy, Payload

TOPICS: Final = ("order", "customer", "payment", "stock", "order.replies")
"""Whoever obeys an orchestrator tells what came of it under the last one only."""

Reason = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
"""A code, never the text of an exception."""


# --- of Orders
class OrderCreated(Payload):
    """An order was taken; whether it stands is open."""

    order_id: UUID
    customer_id: CustomerId
    pay_by: PayBy
    total: Money
    items: Lines


class OrderApproved(Payload):
    """An order on credit stands."""

    order_id: UUID
    customer_id: CustomerId


class OrderConfirmed(Payload):
    """An order by card stands."""

    order_id: UUID
    customer_id: CustomerId


class OrderFailed(Payload):
    """An order will not stand."""

    order_id: UUID
    customer_id: CustomerId
    reason: Reason


class ReviewResolved(Payload):
    """A person has decided about a compensation that had failed for good."""

    order_id: UUID
    action: Compensation
    resolution: Literal["retry", "settled"]


# --- of Customers
class CustomerVerified(Payload):
    """The buyer may pay by card."""

    order_id: UUID
    customer_id: CustomerId


class CustomerVerificationFailed(Payload):
    """The buyer is not known, or blocked."""

    order_id: UUID
    customer_id: CustomerId


class CustomerCreditReserved(Payload):
    """The price is set aside."""

    order_id: UUID
    customer_id: CustomerId


class CustomerCreditLimitExceeded(Payload):
    """The price is more than the credit that is left."""

    order_id: UUID
    customer_id: CustomerId


class CustomerCreditReleased(Payload):
    """What was set aside is credit again."""

    order_id: UUID
    customer_id: CustomerId


# --- of Payments
class PaymentSuccessful(Payload):
    """The card was charged."""

    order_id: UUID
    customer_id: CustomerId


class PaymentFailed(Payload):
    """The card was not charged."""

    order_id: UUID
    customer_id: CustomerId


class PaymentRefunded(Payload):
    """What was charged has been given back."""

    order_id: UUID
    customer_id: CustomerId


# --- of Inventory
class StockReserved(Payload):
    """The pieces of an order on credit are set aside."""

    order_id: UUID


class InventoryReserved(Payload):
    """The pieces of an order by card are set aside."""

    order_id: UUID


class StockUnavailable(Payload):
    """An order on credit can't have its pieces."""

    order_id: UUID


class InventoryReservationFailed(Payload):
    """An order by card can't have its pieces."""

    order_id: UUID


class StockReleased(Payload):
    """The pieces are for sale again."""

    order_id: UUID


# --- of everybody who compensates
class NothingToCompensate(Payload):
    """There was nothing to make good, and won't be."""

    order_id: UUID
    action: Compensation


class CompensationFailed(Payload):
    """What has to be made good can't be; a person has to look."""

    order_id: UUID
    action: Compensation


PUBLISHED: tuple[type[Payload], ...] = ()
READ = (
    OrderCreated,
    OrderApproved,
    OrderConfirmed,
    OrderFailed,
    ReviewResolved,
    CustomerVerified,
    CustomerVerificationFailed,
    CustomerCreditReserved,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    PaymentSuccessful,
    PaymentFailed,
    PaymentRefunded,
    StockReserved,
    InventoryReserved,
    StockUnavailable,
    InventoryReservationFailed,
    StockReleased,
    NothingToCompensate,
    CompensationFailed,
)

EVENTS = EventTypes()
for _model in READ:
    EVENTS.register(_model)
