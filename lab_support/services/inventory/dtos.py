"""What crosses HTTP: the JSON of what is in stock.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from lab_support.services.vocabulary import Sku

MOST_PIECES: Final = 1_000_000_000
"""Of one product; the column holds twice as many, so that what is reserved can always be put back."""


class StockWrite(BaseModel):
    """What `PUT` says about a product in the warehouse."""

    model_config = ConfigDict(extra="forbid")

    available: Annotated[int, Field(strict=True, ge=0, le=MOST_PIECES, description="Pieces not reserved.")]
    discontinued: Annotated[bool, Field(strict=True)] = False


class StockRead(BaseModel):
    """A product in the warehouse: what can be reserved, and what is reserved for orders."""

    sku: Sku
    available: int
    reserved: int
    discontinued: bool


class StockPage(BaseModel):
    """Products in the order of their skus; `next` is the `after` of the page that follows."""

    items: list[StockRead]
    next: Sku | None


class ReservationRead(BaseModel):
    """What was decided about the pieces of an order; `sku` and `reason` say which product was refused, and why."""

    order_id: UUID
    status: Literal["RESERVED", "REFUSED", "RELEASED", "CANCELLED", "SETTLED"]
    sku: Sku | None
    reason: str | None
