"""Cursors: where the next page of a search begins, as a text that means nothing to its holder.

A cursor carries the last id of a page and a checksum over it and the search. The checksum tells a cursor that was
changed, cut or used with another search; it keeps nobody out, and need not: whoever builds a cursor gets a page that
anybody may see.

Section:
    13.3, "Offset against keyset pages"
"""

from __future__ import annotations

import base64
import hashlib
import struct

from lab_support.services.store.errors import CursorError
from lab_support.services.store.repository import ProductSearch

_VERSION = 1
_LAYOUT = struct.Struct(">Bi8s")  # version, id, checksum


def cursor_after(product_id: int, search: ProductSearch) -> str:
    """Write the cursor of the page that follows a product in a search."""
    packed = _LAYOUT.pack(_VERSION, product_id, _checksum(product_id, search))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def id_of(cursor: str, search: ProductSearch) -> int:
    """Read the id after which the page begins.

    Raises:
        CursorError: The text is no cursor, or one that was given for another search.
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        product_id = int(_LAYOUT.unpack(packed)[1])
    except (ValueError, struct.error) as error:
        raise CursorError("`after` is no cursor that the store gave.") from error
    if cursor != cursor_after(product_id, search):
        raise CursorError("`after` is no cursor that the store gave for this search.")
    return product_id


def _checksum(product_id: int, search: ProductSearch) -> bytes:
    fields = (  # prices in one spelling
        _VERSION,
        product_id,
        search.category,
        None if search.min_price is None else f"{search.min_price:.2f}",
        None if search.max_price is None else f"{search.max_price:.2f}",
        search.name_contains or None,
    )
    return hashlib.blake2s(repr(fields).encode(), digest_size=8).digest()
