"""What Orders tells the others, and what it reads of theirs.

Section:
    13.5, "What stands in a row"; 13.6, "What a failure event must carry"
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
    ProductId,
    ProductName,
    Sku,
)

TOPIC = "order"
Reason = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
"""A code such as NO_STOCK, never the text of an exception."""
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
ServiceName = Annotated[str, Field(pattern=r"^[a-z-]{1,50}$")]
REPLIES = "order.replies"


# --- published under "order", of the aggregate "order"
class OrderCreated(Payload):
    """An order was taken; whether it stands is open."""

    order_id: UUID
    customer_id: CustomerId
    pay_by: PayBy
    total: Money
    items: Lines
    coordination: Coordination = "choreography"


class OrderApproved(Payload):
    """An order on credit stands: credit and stock are reserved."""

    order_id: UUID
    customer_id: CustomerId


class OrderConfirmed(Payload):
    """An order by card stands: it is paid, and its stock is reserved."""

    order_id: UUID
    customer_id: CustomerId


class OrderFailed(Payload):
    """An order will not stand.

    Attributes:
        failed_step: What went wrong, such as "reserve-stock".
        reason: A code, such as NO_STOCK; never the text of an exception.
        compensate: What has to be made good, or may have to: whoever did not do it yet must not do it any more.
    """

    order_id: UUID
    customer_id: CustomerId
    failed_step: str
    reason: Reason
    compensate: list[Compensation] = Field(default_factory=list)


class ReviewResolved(Payload):
    """A person has decided about a compensation that had failed for good."""

    order_id: UUID
    service: ServiceName
    action: Compensation
    resolution: Literal["retry", "settled"]
    note: str = ""


# --- read
class CustomerVerified(Payload):
    """Customers knows the buyer, who may pay by card."""

    order_id: UUID


class CustomerVerificationFailed(Payload):
    """Customers does not know the buyer, or has blocked the account."""

    order_id: UUID
    reason: Reason


class CustomerCreditReserved(Payload):
    """Customers has set the price aside."""

    order_id: UUID
    amount: Money


class CustomerCreditLimitExceeded(Payload):
    """Customers can't set the price aside."""

    order_id: UUID
    reason: Reason


class CustomerCreditReleased(Payload):
    """Customers has given the credit back."""

    order_id: UUID
    amount: Money


class PaymentSuccessful(Payload):
    """Payments has charged the card."""

    order_id: UUID
    amount: Money


class PaymentFailed(Payload):
    """Payments could not charge the card."""

    order_id: UUID
    reason: Reason


class PaymentRefunded(Payload):
    """Payments has given the money back."""

    order_id: UUID
    amount: Money


class StockReserved(Payload):
    """Inventory has set the pieces of an order on credit aside."""

    order_id: UUID


class StockUnavailable(Payload):
    """Inventory lacks pieces for an order on credit."""

    order_id: UUID
    sku: Sku
    reason: Reason


class InventoryReserved(Payload):
    """Inventory has set the pieces of an order by card aside."""

    order_id: UUID


class InventoryReservationFailed(Payload):
    """Inventory lacks pieces for an order by card."""

    order_id: UUID
    sku: Sku
    reason: Reason


class StockReleased(Payload):
    """Inventory has put the pieces back."""

    order_id: UUID


class NothingToCompensate(Payload):
    """A service was asked to make good what it had never done; it will not do it any more."""

    order_id: UUID
    action: Compensation


class CompensationFailed(Payload):
    """A service can't make good what it did; a person has to look.

    Attributes:
        service: Whose action it is.
        reason: A code, such as PROVIDER_UNAVAILABLE or PRODUCT_GONE.
        attempts: How often it was tried.
    """

    order_id: UUID
    service: ServiceName
    action: Compensation
    reason: Reason
    attempts: int = Field(ge=0, le=2**31 - 1)


class ProductAdded(Payload):
    """The catalogue offers a new product."""

    product_id: ProductId
    version: Version
    sku: Sku
    name: ProductName
    price: Money


class ProductPriceChanged(Payload):
    """A product of the catalogue costs something else."""

    product_id: ProductId
    version: Version
    sku: Sku
    name: ProductName
    price: Money


class ProductChanged(Payload):
    """A product of the catalogue has another name or description."""

    product_id: ProductId
    version: Version
    sku: Sku
    name: ProductName
    price: Money


class ProductDiscontinued(Payload):
    """The catalogue no longer offers a product."""

    product_id: ProductId
    version: Version


PUBLISHED = (OrderCreated, OrderApproved, OrderConfirmed, OrderFailed, ReviewResolved)
ABOUT_ORDERS = (
    CustomerVerified,
    CustomerVerificationFailed,
    CustomerCreditReserved,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    PaymentSuccessful,
    PaymentFailed,
    PaymentRefunded,
    StockReserved,
    StockUnavailable,
    InventoryReserved,
    InventoryReservationFailed,
    StockReleased,
    NothingToCompensate,
    CompensationFailed,
)
ABOUT_PRODUCTS = (ProductAdded, ProductPriceChanged, ProductChanged, ProductDiscontinued)
READ = (*ABOUT_ORDERS, *ABOUT_PRODUCTS)

EVENTS = EventTypes()
for _model in (*PUBLISHED, *READ):
    EVENTS.register(_model)
