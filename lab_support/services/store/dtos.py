"""What crosses HTTP: the JSON of products, checked before anything touches the database.

The names are the API's (`product_id`, `product_name`), not the table's (`id`, `name`);
`mapping.py` joins them.

Section:
    13.1, "CRUD over HTTP"; 13.2 explains why these are not the entities
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

MAX_STOCK = 2**31 - 1
CENT = Decimal("0.01")


def storable(text: str) -> str:
    """Refuse the one character that PostgreSQL can't keep in a text column.

    Raises:
        PydanticCustomError: The text contains NUL.
    """
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "Text may not contain the NUL character")
    return text


def in_cents(amount: Decimal) -> Decimal:
    """Write an amount with exactly two decimals; -0 becomes 0.00."""
    return abs(amount).quantize(CENT)


def unsent() -> Any:
    """Stand for a field that the caller left out; `model_dump(exclude_unset=True)` never shows it."""
    return None


StorableText = Annotated[str, AfterValidator(storable)]
ProductName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(storable),
    Field(description="Shown to customers; surrounding blanks are removed.", examples=["Desk lamp"]),
]
Description = Annotated[StorableText, Field(max_length=500, examples=["Brass, 40 cm."])]
Price = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2, description="Money; send a string.", examples=["24.90"]),
    AfterValidator(in_cents),
    PlainSerializer("{:.2f}".format, return_type=str, when_used="json"),
]
Stock = Annotated[int, Field(strict=True, ge=0, le=MAX_STOCK, description="Pieces on the shelf.")]
Availability = Annotated[bool, Field(strict=True, description="Whether customers can buy it now.")]


class ProductWrite(BaseModel):
    """A whole product as a caller sends it: `POST` makes one of it, `PUT` replaces one by it."""

    model_config = ConfigDict(extra="forbid")

    product_name: ProductName
    description: Description | None = None
    price: Price
    stock: Stock = 0
    is_available: Availability = True


class ProductPatch(BaseModel):
    """Some fields of a product. A field that is not sent stays as it is; only `description` may be null."""

    model_config = ConfigDict(extra="forbid")

    product_name: ProductName = Field(default_factory=unsent)
    description: Description | None = Field(default_factory=unsent)
    price: Price = Field(default_factory=unsent)
    stock: Stock = Field(default_factory=unsent)
    is_available: Availability = Field(default_factory=unsent)


class ProductRead(BaseModel):
    """A product as the API shows it."""

    product_id: int
    product_name: str
    description: str | None
    price: Price
    stock: int
    is_available: bool


class ProductPage(BaseModel):
    """One page of a list, in the order of `product_id`."""

    items: list[ProductRead]
    next: str | None = Field(None, description="Where the next page begins; null, as `skip` chooses it here.")
