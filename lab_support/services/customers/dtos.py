"""What crosses HTTP: the JSON of customers.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from lab_support.services.vocabulary import CustomerId, Money


def _as_text(amount: Decimal) -> str:
    return f"{amount:.2f}"


Amount = Annotated[Money, PlainSerializer(_as_text, return_type=str, when_used="json")]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")
]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=320, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")
]


class CustomerCreate(BaseModel):
    """What `POST` makes a customer of."""

    model_config = ConfigDict(extra="forbid")

    customer_id: CustomerId = Field(examples=["ada"])
    name: Text = Field(examples=["Ada Lovelace"])
    email: Email = Field(examples=["ada@example.com"])
    credit: Amount = Field(examples=["1000.00"])


class CustomerRead(BaseModel):
    """A customer's credit: what is left of it, and what is reserved for orders; and the last order, if any."""

    customer_id: CustomerId
    name: str
    credit: Amount
    reserved: Amount
    blocked: bool
    last_order_id: UUID | None
    last_order_at: datetime | None


class CustomerPage(BaseModel):
    """Customers in the order of their ids; `next` is the `after` of the page that follows."""

    items: list[CustomerRead]
    next: CustomerId | None
