"""What Customers tells the others, and what it reads of theirs.

What the next service needs travels with the event: nobody has to ask back.

Section:
    13.5, "What stands in a row"
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from lab_support.messaging import EventTypes
from lab_support.services.vocabulary import (
    Compensation,
    Coordination,
    CustomerId,
    Lines,
    Money,
    PayBy,
    Payload,
)

TOPIC = "customer"
COMMANDS = "customer.commands"
REPLIES = "order.replies"

Reason = Annotated[str, Field(pattern=r"^[A-Z_]{1,100}$")]
"""A code, never the text of an exception."""


# --- published under "customer", of the aggregate "customer"
class CustomerVerified(Payload):
    """The buyer is known and may pay by card."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class CustomerVerificationFailed(Payload):
    """Nobody has this id (UNKNOWN_CUSTOMER), or the account is blocked (CUSTOMER_BLOCKED)."""

    order_id: UUID
    customer_id: CustomerId
    reason: Literal["UNKNOWN_CUSTOMER", "CUSTOMER_BLOCKED"]


class CustomerCreditReserved(Payload):
    """The price of an order is set aside."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class CustomerCreditLimitExceeded(Payload):
    """The price of an order is more than the credit that is left."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    reason: Literal["CREDIT_LIMIT_EXCEEDED"] = "CREDIT_LIMIT_EXCEEDED"


class CustomerCreditReleased(Payload):
    """What was set aside for an order is credit again."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money


class NothingToCompensate(Payload):
    """No credit was reserved for the order, and none will be."""

    order_id: UUID
    action: Compensation


class CompensationFailed(Payload):
    """The credit can't be released; a person has to look."""

    order_id: UUID
    service: Literal["customers"] = "customers"
    action: Compensation
    reason: Reason
    attempts: int


# --- read
class OrderCreated(Payload):
    """Orders has taken an order."""

    order_id: UUID
    customer_id: CustomerId
    pay_by: PayBy
    total: Money
    items: Lines
    coordination: Coordination = "choreography"


class OrderApproved(Payload):
    """Orders says that an order on credit stands."""

    order_id: UUID
    customer_id: CustomerId


class OrderConfirmed(Payload):
    """Orders says that an order by card stands."""

    order_id: UUID
    customer_id: CustomerId


class OrderFailed(Payload):
    """Orders says that an order will not stand, and what has to be made good."""

    order_id: UUID
    customer_id: CustomerId
    reason: str
    compensate: list[Compensation] = Field(default_factory=list)


class StockUnavailable(Payload):
    """Inventory lacks pieces for an order on credit."""

    order_id: UUID


class ReviewResolved(Payload):
    """A person has decided about a compensation that had failed for good."""

    order_id: UUID
    service: str
    action: Compensation
    resolution: Literal["retry", "settled"]


# --- commands of the orchestrator; the answers are the events above, under "order.replies"
class VerifyCustomer(Payload):
    """Say whether a customer may pay by card."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class ReserveCredit(Payload):
    """Set the price of an order aside."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money
    items: Lines


class ReleaseCredit(Payload):
    """Make it credit again."""

    order_id: UUID
    customer_id: CustomerId


PUBLISHED = (
    CustomerVerified,
    CustomerVerificationFailed,
    CustomerCreditReserved,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    NothingToCompensate,
    CompensationFailed,
)
READ = (OrderCreated, OrderApproved, OrderConfirmed, OrderFailed, StockUnavailable, ReviewResolved)
COMMANDED = (VerifyCustomer, ReserveCredit, ReleaseCredit)

EVENTS = EventTypes()
for _model in (*PUBLISHED, *READ, *COMMANDED):
    EVENTS.register(_model)
