"""What Inventory tells the others, and what it reads of theirs.

Section:
    13.5, "What stands in a row"; 13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from lab_support.messaging import EventTypes
from lab_support.services.vocabulary import Compensation, Lines, PayBy, Payload, Sku

TOPIC = "stock"
COMMANDS = "stock.commands"
REPLIES = "order.replies"

Reason = Annotated[str, Field(pattern=r"^[A-Z_]{1,100}$")]
"""A code, never the text of an exception."""
NoPieces = Literal["OUT_OF_STOCK", "UNKNOWN_SKU", "DISCONTINUED"]


# --- published under "stock", of the aggregate "stock" (its id is the order's)
class StockReserved(Payload):
    """The pieces of an order on credit are set aside."""

    order_id: UUID
    items: Lines


class StockUnavailable(Payload):
    """An order on credit can't have all its pieces, so it got none."""

    order_id: UUID
    sku: Sku
    reason: NoPieces


class InventoryReserved(Payload):
    """The pieces of an order by card are set aside."""

    order_id: UUID
    items: Lines


class InventoryReservationFailed(Payload):
    """An order by card can't have all its pieces, so it got none."""

    order_id: UUID
    sku: Sku
    reason: NoPieces


class StockReleased(Payload):
    """The pieces of an order are for sale again."""

    order_id: UUID
    items: Lines


class NothingToCompensate(Payload):
    """No piece was reserved for the order, and none will be."""

    order_id: UUID
    action: Compensation


class CompensationFailed(Payload):
    """The pieces can't be put back; a person has to look."""

    order_id: UUID
    service: Literal["inventory"] = "inventory"
    action: Compensation
    reason: Reason
    attempts: int


# --- read
class CustomerCreditReserved(Payload):
    """Customers has set the price of an order on credit aside."""

    order_id: UUID
    items: Lines


class PaymentSuccessful(Payload):
    """Payments has charged the card for an order."""

    order_id: UUID
    items: Lines


class OrderFailed(Payload):
    """Orders says that an order will not stand, and what has to be made good."""

    order_id: UUID
    compensate: list[Compensation] = Field(default_factory=list)


class ReviewResolved(Payload):
    """A person has decided about a compensation that had failed for good."""

    order_id: UUID
    service: str
    action: Compensation
    resolution: Literal["retry", "settled"]


# --- commands of the orchestrator; the answers are the events above, under "order.replies"
class ReserveStock(Payload):
    """Set the pieces of an order aside; how it is paid names the answer."""

    order_id: UUID
    items: Lines
    pay_by: PayBy


class ReleaseStock(Payload):
    """Put the pieces of an order back."""

    order_id: UUID


PUBLISHED = (
    StockReserved,
    StockUnavailable,
    InventoryReserved,
    InventoryReservationFailed,
    StockReleased,
    NothingToCompensate,
    CompensationFailed,
)
READ = (CustomerCreditReserved, PaymentSuccessful, OrderFailed, ReviewResolved)
COMMANDED = (ReserveStock, ReleaseStock)

EVENTS = EventTypes()
for _model in (*PUBLISHED, *READ, *COMMANDED):
    EVENTS.register(_model)
