"""Money in documents: `Decimal` in Python, `Decimal128` in BSON, text in JSON. Never a float.

Section:
    13.7, "From the application to a document"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from bson import Decimal128
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
)

CENT: Final = Decimal("0.01")
PATTERN: Final = r"^[0-9]{1,10}\.[0-9]{2}$"


def in_cents(amount: Decimal) -> Decimal:
    """Write an amount with exactly two decimals; -0 becomes 0.00."""
    cents = amount.quantize(CENT)
    return cents if cents else abs(cents)


def to_bson(amount: Decimal) -> Decimal128:
    """Give the BSON number that compares, sorts and increments exactly."""
    return Decimal128(in_cents(amount))


def from_bson(value: Any) -> Any:
    """Turn a `Decimal128` into a `Decimal` and leave everything else to the validation that follows."""
    return value.to_decimal() if isinstance(value, Decimal128) else value


def _serialize(amount: Decimal, info: SerializationInfo) -> Any:
    return f"{amount:.2f}" if info.mode_is_json() else to_bson(amount)


Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2, description="Money; send a string.", examples=["24.90"]),
    BeforeValidator(from_bson),
    AfterValidator(in_cents),
    PlainSerializer(_serialize),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["24.90"]}, mode="serialization"),
]
"""An amount of money in a document: `model_dump()` gives a `Decimal128`, `model_dump(mode="json")` text."""
