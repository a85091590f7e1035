"""How the catalogue's documents have changed, and how an old one becomes one of today.

    1  `title`, and a price that is a double; documents say no version
    2  `name`, and a price that is a decimal; a monitor's resolution is a text, a book has one `author`
    3  the resolution is width and height, a book has `authors`, and all say when they were changed

Section:
    13.8, "Schema versions: upcast on read, backfill in the background"
"""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Final

from bson import ObjectId

from lab_support.documents.money import to_bson
from lab_support.documents.types import Document
from lab_support.documents.versions import Upcasters

UPCASTERS: Final = Upcasters()
_RESOLUTION = re.compile(r"\s*(\d{1,6})\s*[xX\u00d7]\s*(\d{1,6})\s*")


@UPCASTERS.step
def exact_money_and_name(document: Document) -> Document:
    """Version 1 becomes 2. A double is read as the number that it was written as: 19.9, not 19.899999999999998."""
    if "title" in document and "name" not in document:
        document["name"] = document.pop("title")
    price = document.get("price")
    if isinstance(price, int | float | str) and not isinstance(price, bool):
        with suppress(InvalidOperation):  # "on request" stays as it is, for a person to mend
            document["price"] = to_bson(Decimal(str(price)))
    return document


@UPCASTERS.step
def resolution_and_authors(document: Document) -> Document:
    """Version 2 becomes 3. What was never dated counts as unchanged since it was made, which its id tells."""
    resolution = document.get("resolution")
    if isinstance(resolution, str) and (match := _RESOLUTION.fullmatch(resolution)):
        document["resolution"] = {"width": int(match[1]), "height": int(match[2])}
    if "author" in document and "authors" not in document:
        author = document.pop("author")
        document["authors"] = author if isinstance(author, list) else [author]
    if "updated_at" not in document and isinstance(document.get("_id"), ObjectId):
        document["updated_at"] = document["_id"].generation_time
    return document


CURRENT: Final = UPCASTERS.current
