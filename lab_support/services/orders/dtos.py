"""What crosses the HTTP border of Orders, checked before anything touches the database.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from lab_support.services.orders.entities import MAX_NOTE
from lab_support.services.vocabulary import (
    MAX_LINES,
    MAX_QUANTITY,
    Coordination,
    CustomerId,
    PayBy,
    Sku,
)


def storable(text: str) -> str:
    """Refuse the one character that PostgreSQL can't keep in a text column.

    Raises:
        PydanticCustomError: The text contains NUL.
    """
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "Text may not contain the NUL character")
    return text


def as_text(amount: Decimal) -> str:
    """Write money for JSON, which has no exact numbers."""
    return f"{amount:.2f}"


Note = Annotated[str, Field(max_length=MAX_NOTE), AfterValidator(storable)]
Money = Annotated[Decimal, PlainSerializer(as_text, return_type=str, when_used="json")]
Pieces = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY, description="Pieces.")]


class OrderLineCreate(BaseModel):
    """So many pieces of one product."""

    model_config = ConfigDict(extra="forbid")

    sku: Sku
    quantity: Pieces


class OrderCreate(BaseModel):
    """What somebody orders; two lines for one product are added up. Orders sets the prices."""

    model_config = ConfigDict(extra="forbid")

    customer_id: CustomerId
    pay_by: PayBy
    items: list[OrderLineCreate] = Field(min_length=1, max_length=MAX_LINES)


class OrderAccepted(BaseModel):
    """An order that was taken; whether it stands is found out by asking again."""

    order_id: UUID
    status: str
    total: Money


class OrderLineRead(BaseModel):
    """One line of an order, at the price of that day."""

    sku: str
    quantity: int
    unit_price: Money


class OrderRead(BaseModel):
    """An order and where it is."""

    order_id: UUID
    saga_id: UUID
    customer_id: str
    pay_by: PayBy
    coordination: Coordination
    status: str
    reason: str | None = Field(description="A code, when the order has failed.")
    failed_step: str | None = Field(description="The action that failed.")
    total: Money
    delivery_note: str | None
    lines: list[OrderLineRead]
    deadline_at: datetime
    created_at: datetime
    updated_at: datetime


class OrderPage(BaseModel):
    """Somebody's orders, newest first; `next` is the `after` of the page that follows."""

    items: list[OrderRead]
    next: UUID | None


class JournalEntry(BaseModel):
    """One event of any order's saga, as Orders has sent or heard it."""

    position: int
    event_id: UUID
    order_id: UUID
    service: str
    type: str
    occurred_at: datetime
    recorded_at: datetime
    payload: dict[str, Any]


class JournalPage(BaseModel):
    """Events in the order in which Orders noted them; `next` is the `after` of the page that follows."""

    items: list[JournalEntry]
    next: int | None
    last: int = Field(description="The position of the newest event there is.")


class DeliveryNoteUpdate(BaseModel):
    """The one thing about an order that its buyer may change, once the saga has let go of it."""

    model_config = ConfigDict(extra="forbid")

    delivery_note: Note | None


class TimelineEvent(BaseModel):
    """One event of the saga, by whoever told it."""

    event_id: UUID
    service: str
    type: str
    occurred_at: datetime
    recorded_at: datetime = Field(description="When Orders sent or heard it.")
    causation_id: UUID | None
    cause: str | None = Field(description="The type of the event that was the reason, when it is known here.")
    payload: dict[str, Any]


class TimelineRead(BaseModel):
    """An order's saga across all services; no event stands before its cause."""

    order_id: UUID
    saga_id: UUID
    status: str
    why: str = Field(description="One sentence on why the order is where it is.")
    events: list[TimelineEvent]


class ReviewRead(BaseModel):
    """A compensation that failed for good, and what was decided about it."""

    review_id: UUID
    order_id: UUID
    saga_id: UUID
    service: str
    action: str
    reason: str
    attempts: int
    opened_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    note: str | None


class ReviewDecision(BaseModel):
    """What a person decides: have it tried again, or note that it was taken care of by hand."""

    model_config = ConfigDict(extra="forbid")

    resolution: Literal["retry", "settled"]
    note: Note = ""


class PriceRead(BaseModel):
    """What a piece costs."""

    sku: str
    name: str
    unit_price: Money
