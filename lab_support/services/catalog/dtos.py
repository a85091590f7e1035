"""What crosses HTTP: the JSON of products, one shape for each kind.

Requests name every field that they may have, so a key with `$` or a dot in it is refused like any unknown one.

Section:
    13.7, "ObjectId in and out"; 13.8, "The implicit schema made explicit"
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lab_support.documents.money import Money
from lab_support.documents.objectid import PyObjectId
from lab_support.services.catalog.kinds import (
    Authors,
    BookFields,
    Description,
    Hertz,
    Inches,
    Isbn,
    MonitorFields,
    Pages,
    Pixels,
    Resolution,
    Size,
    Text,
    TShirtFields,
)
from lab_support.services.vocabulary import Sku

Price = Annotated[Money, Field(strict=False)]
"""Text or a number: JSON has no exact type of its own."""


def unsent() -> Any:
    """Stand for a field that the caller left out; `model_dump(exclude_unset=True)` never shows it."""
    return None


class ResolutionWrite(Resolution):
    """A resolution in a request."""

    model_config = ConfigDict(extra="forbid")

    width: Annotated[Pixels, Field(strict=True)]
    height: Annotated[Pixels, Field(strict=True)]


class ProductBase(BaseModel):
    """What a caller says about a product of any kind; a field that is not named is refused, a type is not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sku: Sku
    name: Text
    description: Description | None = None
    price: Price


class MonitorWrite(MonitorFields, ProductBase):
    """A whole monitor."""

    resolution: ResolutionWrite


class TShirtWrite(TShirtFields, ProductBase):
    """A whole T-shirt."""


class BookWrite(BookFields, ProductBase):
    """A whole book."""


ProductWrite = Annotated[MonitorWrite | TShirtWrite | BookWrite, Field(discriminator="kind")]


class ProductPatch(BaseModel):
    """Some fields of a product; those that are not sent stay. What is optional may be null: then it is taken away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sku: Sku = Field(default_factory=unsent)
    name: Text = Field(default_factory=unsent)
    description: Description | None = Field(default_factory=unsent)
    price: Price = Field(default_factory=unsent)
    diagonal_inches: Inches = Field(default_factory=unsent)
    resolution: ResolutionWrite = Field(default_factory=unsent)
    refresh_hz: Hertz | None = Field(default_factory=unsent)
    size: Size = Field(default_factory=unsent)
    colour: Text = Field(default_factory=unsent)
    material: Text | None = Field(default_factory=unsent)
    isbn: Isbn = Field(default_factory=unsent)
    authors: Authors = Field(default_factory=unsent)
    pages: Pages | None = Field(default_factory=unsent)


class ProductReadBase(BaseModel):
    """What is told about a product of any kind."""

    id: PyObjectId
    sku: Sku
    name: str
    description: str | None
    price: Money
    created_at: datetime
    updated_at: datetime
    times_ordered: int = Field(default=0, description="In how many orders; it follows them after a moment.")


class MonitorRead(MonitorFields, ProductReadBase):
    """A monitor, as the catalogue shows it."""


class TShirtRead(TShirtFields, ProductReadBase):
    """A T-shirt, as the catalogue shows it."""


class BookRead(BookFields, ProductReadBase):
    """A book, as the catalogue shows it."""


ProductRead = Annotated[MonitorRead | TShirtRead | BookRead, Field(discriminator="kind")]


class ProductPage(BaseModel):
    """Products in the order in which they were made; `next` is the `after` of the page that follows.

    `unreadable` are the ids of documents on this page that fit no kind of product.
    """

    items: list[ProductRead]
    unreadable: list[str]
    next: PyObjectId | None


class DriftRowRead(BaseModel):
    """How many products of one kind have a field with values of one type."""

    kind: str | None
    field: str
    type: str = Field(description="A BSON type, or `missing`.")
    count: int
    of: int = Field(description="Products of this kind.")
    expected: bool = Field(description="Whether the declared schema has it so.")
    first_seen: datetime | None = Field(description="When the oldest such product was made.")
    last_seen: datetime | None = Field(description="When the newest such product was made.")


class DriftRead(BaseModel):
    """Which fields the stored products really have, by kind and type."""

    total: int
    rows: list[DriftRowRead]
