"""What the gateway reads of others' answers, and what it answers itself.

It reads as much of an answer as it shows, and overlooks the rest: a service may say more tomorrow.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from lab_support.services.gateway.circuit import State
from lab_support.services.gateway.errors import Reason
from lab_support.services.vocabulary import CustomerId, Money, PayBy, Sku


def as_text(amount: Decimal) -> str:
    """Write money for JSON, which has no exact numbers."""
    return f"{amount:.2f}"


Amount = Annotated[Money, PlainSerializer(as_text, return_type=str, when_used="json")]
Word = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=500)]


class Part(BaseModel):
    """The parent of all that is read of others."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OrderLinePart(Part):
    """One line of an order, at the price of that day."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1)]
    unit_price: Amount


class OrderPart(Part):
    """What Orders says."""

    order_id: UUID
    customer_id: CustomerId
    pay_by: PayBy
    status: Word
    reason: Word | None
    failed_step: Word | None
    total: Amount
    lines: Annotated[list[OrderLinePart], Field(min_length=1, max_length=50)]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class OrderPartPage(Part):
    """A page of somebody's orders, newest first."""

    items: Annotated[list[OrderPart], Field(max_length=100)]
    next: UUID | None


class CustomerPart(Part):
    """What Customers says."""

    customer_id: CustomerId
    name: Name
    credit: Amount
    reserved: Amount
    blocked: bool


class PaymentPart(Part):
    """What Payments says."""

    order_id: UUID
    payment_id: UUID
    amount: Amount | None
    status: Word
    reason: Word | None


class ReservationPart(Part):
    """What Inventory says about the pieces of an order."""

    order_id: UUID
    status: Word
    sku: Sku | None
    reason: Word | None


class StockPart(Part):
    """What Inventory says about a product in the warehouse."""

    sku: Sku
    available: int
    discontinued: bool


class StockPartPage(Part):
    """Products in the warehouse."""

    items: Annotated[list[StockPart], Field(max_length=100)]


class ProductPart(Part):
    """What the catalogue says."""

    sku: Sku
    name: Name
    price: Amount


class ProductPartPage(Part):
    """Products of the catalogue."""

    items: Annotated[list[ProductPart], Field(max_length=100)]


class Missing(BaseModel):
    """A part that could not be had."""

    part: str = Field(examples=["payment"])
    service: str = Field(examples=["payments"])
    reason: Reason
    of: list[str] = Field([], description="Which ones, when only some are missing.", examples=[["LAMP-7"]])


class OrderView(BaseModel):
    """An order as the whole shop knows it. What is null is named in `missing`, unless it does not apply.

    An order on credit has no payment.
    """

    order: OrderPart
    customer: CustomerPart | None
    payment: PaymentPart | None
    reservation: ReservationPart | None
    stock: list[StockPart] | None
    products: list[ProductPart] | None
    missing: list[Missing]


class OrderRow(BaseModel):
    """An order in a list of orders."""

    order: OrderPart
    payment: PaymentPart | None
    reservation: ReservationPart | None


class OrderViewPage(BaseModel):
    """A page of somebody's orders, newest first; `next` is the `after` of the page that follows."""

    customer: CustomerPart | None
    items: list[OrderRow]
    products: list[ProductPart] | None
    missing: list[Missing]
    next: UUID | None


class CircuitRead(BaseModel):
    """How the gateway gets on with one service."""

    service: str
    state: State
    failed_in_a_row: int
    rests_for_s: float = Field(description="Seconds until it may be tried again.")
    at: str | None = Field(description="Its address; null when it runs in the same process, or nowhere.")


class JournalEntry(Part):
    """One event of an order's saga, from Orders' journal."""

    position: Annotated[int, Field(ge=0)]
    event_id: UUID
    order_id: UUID
    service: Word
    type: Annotated[str, Field(min_length=1, max_length=255)]
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime
    payload: dict[str, Any]


class JournalPage(Part):
    """Events in the order in which Orders noted them."""

    items: Annotated[list[JournalEntry], Field(max_length=1000)]
    next: int | None
    last: Annotated[int, Field(ge=0)]


class SummaryRead(BaseModel):
    """An order as the events so far tell it; null is what no event has told yet."""

    order_id: UUID
    customer_id: str | None
    pay_by: str | None
    total: Amount | None
    pieces: int | None
    status: str | None = Field(examples=["APPROVED"])
    reason: str | None
    credit: str | None = Field(examples=["RESERVED"])
    payment: str | None = Field(examples=["CHARGED"])
    stock: str | None = Field(examples=["RESERVED"])
    ordered_at: datetime | None
    updated_at: datetime = Field(description="When the newest event happened that the row has heard of.")


class Heard(BaseModel):
    """How far the read model has heard each service: when the newest event happened that it has heard."""

    orders: datetime | None = None
    customers: datetime | None = None
    payments: datetime | None = None
    inventory: datetime | None = None


class Freshness(BaseModel):
    """Up to when the read model has heard, by the clocks of those who told it; never by the reader's."""

    as_of: datetime | None = Field(
        description="The oldest of `heard`: every service that ever told something was heard at least so far. "
        "Null before the first event."
    )
    heard: Heard


class SummaryAnswer(Freshness):
    """One summary."""

    summary: SummaryRead


class SummaryPage(Freshness):
    """Summaries of somebody's orders, newest first; `next` is the `after` of the page that follows."""

    items: list[SummaryRead]
    next: UUID | None
