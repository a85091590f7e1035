"""The words that all services of the split shop use in their events: a shared contract, and no shared code beyond it.

Section:
    13.5, "What stands in a row"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_LINES: Final = 50
MAX_QUANTITY: Final = 10_000

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2, ge=0)]
"""An amount in the shop's currency: exact, two decimals, text in JSON."""

CustomerId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Sku = Annotated[str, Field(pattern=r"^[A-Z0-9-]{1,64}$")]
ProductId = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
ProductName = Annotated[str, Field(pattern=r"^[^\x00]{1,200}$")]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
PayBy = Literal["credit", "card"]
Coordination = Literal["choreography", "orchestration"]

RELEASE_CREDIT: Final = "release-credit"
REFUND_PAYMENT: Final = "refund-payment"
RELEASE_STOCK: Final = "release-stock"
Compensation = Literal["release-credit", "refund-payment", "release-stock"]


class Payload(BaseModel):
    """The parent of every payload: it never changes, and a reader overlooks fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Line(Payload):
    """So many pieces of one product."""

    sku: Sku
    quantity: Quantity


Lines = Annotated[list[Line], Field(min_length=1, max_length=MAX_LINES)]
