"""What distinguishes one kind of product from another: fields said once, for requests, documents and answers.

Section:
    13.8, "The implicit schema made explicit"
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

MOST_AUTHORS: Final = 20


def storable(text: str) -> str:
    """Refuse what BSON can't keep in a text, or other programs can't read from it.

    Raises:
        PydanticCustomError: The text contains NUL or half a character.
    """
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("text", "Text may contain neither NUL nor half a character")
    return text


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(storable),
]
Description = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(storable)]
Pixels = Annotated[int, Field(ge=1, le=100_000, description="Pixels.")]
Inches = Annotated[float, Field(gt=0, le=500, allow_inf_nan=False, description="Inches.", examples=[27])]
Hertz = Annotated[int, Field(ge=1, le=10_000, description="Pictures in a second.")]
Size = Literal["XS", "S", "M", "L", "XL", "XXL"]
Isbn = Annotated[str, Field(pattern=r"^97[89][0-9]{10}$", description="ISBN-13 without hyphens.")]
Authors = Annotated[list[Text], Field(min_length=1, max_length=MOST_AUTHORS)]
Pages = Annotated[int, Field(ge=1, le=100_000)]
Kind = Literal["monitor", "tshirt", "book"]


class Resolution(BaseModel):
    """How many pixels a monitor shows."""

    width: Pixels
    height: Pixels


class MonitorFields(BaseModel):
    """What only monitors have."""

    kind: Literal["monitor"]
    diagonal_inches: Inches
    resolution: Resolution
    refresh_hz: Hertz | None = None


class TShirtFields(BaseModel):
    """What only T-shirts have."""

    kind: Literal["tshirt"]
    size: Size
    colour: Text
    material: Text | None = None


class BookFields(BaseModel):
    """What only books have."""

    kind: Literal["book"]
    isbn: Isbn
    authors: Authors
    pages: Pages | None = None
