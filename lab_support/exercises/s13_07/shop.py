"""The catalogue of these exercises: what its documents hold, and what crosses HTTP.

Section:
    13.7
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from bson import Decimal128, ObjectId
from pydantic import BaseModel, ConfigDict, Field

from lab_support.documents.money import Money
from lab_support.documents.objectid import PyObjectId

COLLECTION = "products"


class ProductWrite(BaseModel):
    """A whole product, as a caller sends it."""

    model_config = ConfigDict(extra="forbid")

    sku: str = Field(min_length=1, max_length=40)
    name: str = Field(min_length=1, max_length=200)
    description: str | None = None
    price: Money
    stock: int = Field(default=0, ge=0)


class ProductPatch(BaseModel):
    """Some fields of a product; `model_dump(exclude_unset=True)` holds those that were sent."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", min_length=1, max_length=200)
    description: str | None = None
    price: Money = Decimal(0)
    stock: int = Field(default=0, ge=0)


class ProductRead(BaseModel):
    """A product, as callers see it: `ProductRead.model_validate(document)`; in JSON its id is called `id`."""

    id: PyObjectId = Field(validation_alias="_id")
    sku: str
    name: str
    description: str | None
    price: Money
    stock: int


def new_id(draw: Random) -> ObjectId:
    """Draw an id nobody can foresee."""
    return ObjectId(f"{draw.getrandbits(96):024x}")


def amount(draw: Random) -> Decimal128:
    """Draw a price with cents, from 1.01 to 999.99."""
    return Decimal128(f"{draw.randint(1, 999)}.{draw.randint(1, 99):02d}")


def a_product(draw: Random, **fields: Any) -> dict[str, Any]:
    """Draw a document with values that nobody could foresee."""
    number = draw.randint(10_000, 10**7)
    drawn = {
        "_id": new_id(draw),
        "sku": f"LAMP-{number}",
        "name": f"lamp {draw.randint(1, 10**6)}",
        "description": f"shade {draw.randint(1, 99)}",
        "price": amount(draw),
        "stock": draw.randint(1, 500),
    }
    return drawn | fields


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON that a document must be shown as."""
    named = {name: document[name] for name in ("sku", "name", "description", "stock")}
    return {"id": str(document["_id"]), **named, "price": str(document["price"])}
