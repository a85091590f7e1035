"""Kinds of fields that requests and answers are made of: each says what it accepts and how JSON shows it.

Section:
    13.2, "The edge and the table both check"
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

MAX_STOCK = 2**31 - 1
MAX_EMAIL_CHARACTERS = 320
MAX_ORDER_LINES = 100
MAX_QUANTITY = 10_000
CENT = Decimal("0.01")
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(\.[^\s@.]+)+")


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


def as_text(amount: Decimal) -> str:
    """Write money for JSON, which has no exact numbers."""
    return f"{amount:.2f}"


def one_spelling(address: str) -> str:
    """Give the one form in which an e-mail address is stored: NFC and lower case.

    Raises:
        PydanticCustomError: The text has not the shape of an address, or is too long in this form.
    """
    spelled = unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).lower())
    if len(spelled) > MAX_EMAIL_CHARACTERS or not _EMAIL.fullmatch(spelled):
        raise PydanticCustomError("email", "This is not an e-mail address such as ada@example.com")
    return spelled


def hashable(password: SecretStr) -> SecretStr:
    """Refuse half a character, which has no bytes that could be hashed.

    Raises:
        PydanticCustomError: The password contains a lone surrogate.
    """
    if any("\ud800" <= character <= "\udfff" for character in password.get_secret_value()):
        raise PydanticCustomError("lone_surrogate", "A password may not contain half a character")
    return password


StorableText = Annotated[str, AfterValidator(storable)]
ProductName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(storable),
    Field(description="Shown to customers; surrounding blanks are removed.", examples=["Desk lamp"]),
]
Description = Annotated[StorableText, Field(max_length=500, examples=["Brass, 40 cm."])]
Category = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=50),
    AfterValidator(storable),
    Field(description="The shelf it belongs to.", examples=["lamps"]),
]
Price = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2, description="Money; send a string.", examples=["24.90"]),
    AfterValidator(in_cents),
    PlainSerializer(as_text, return_type=str, when_used="json"),
]
Stock = Annotated[int, Field(strict=True, ge=0, le=MAX_STOCK, description="Pieces on the shelf.")]
Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY, description="Pieces.")]
GivenId = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63, description="As given by the store.")]
Availability = Annotated[bool, Field(strict=True, description="Whether customers can buy it now.")]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_EMAIL_CHARACTERS),
    AfterValidator(storable),
    AfterValidator(one_spelling),
    Field(description="One account each; capitals don't matter.", examples=["ada@example.com"]),
]
UserName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(storable),
    Field(examples=["Ada Lovelace"]),
]
Password = Annotated[
    SecretStr,
    Field(min_length=12, max_length=128, description="Kept as a hash alone."),
    AfterValidator(hashable),
]
