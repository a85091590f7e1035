"""The catalogue's documents: their models, and beside them the indexes and the validator of their collection.

A stored document may have fields that no model names; they are kept, because nothing writes a whole document that was
read. Writing happens by `$set`, or with a document that a caller sent whole.

Section:
    13.7, "From the application to a document"; 13.8, "The implicit schema made explicit"; "Validators: the server
    refuses"
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from lab_support.documents.indexes import Index
from lab_support.documents.money import Money
from lab_support.documents.objectid import PyObjectId
from lab_support.documents.schemas import bson_schema
from lab_support.documents.validators import Validator
from lab_support.services.catalog.document_outbox import INDEX as OUTBOX_INDEX
from lab_support.services.catalog.kinds import BookFields, Description, MonitorFields, Text, TShirtFields
from lab_support.services.vocabulary import Sku

COLLECTION: Final = "products"


class StoredProduct(BaseModel):
    """What the documents of all kinds have in common. When a product was made stands in its id."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    id: PyObjectId = Field(alias="_id")
    schema_version: Literal[3]
    sku: Sku
    name: Text
    description: Description | None = None
    price: Money
    updated_at: datetime


class Monitor(MonitorFields, StoredProduct):
    """A monitor's document."""


class TShirt(TShirtFields, StoredProduct):
    """A T-shirt's document."""


class Book(BookFields, StoredProduct):
    """A book's document."""


Product = Annotated[Monitor | TShirt | Book, Field(discriminator="kind")]

INDEXES: Final = (
    Index(name="sku_unique", keys=[("sku", 1)], unique=True),
    Index(name="kind_price", keys=[("kind", 1), ("price", 1)]),
    Index(name="isbn_unique", keys=[("isbn", 1)], unique=True, partial={"isbn": {"$exists": True}}),
    OUTBOX_INDEX,
)
VALIDATOR: Final = Validator(schema=bson_schema(Product), level="moderate")
"""Moderate: documents of older versions can still be changed, and new ones have to fit."""
