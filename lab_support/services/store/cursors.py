"""Cursors: where the next page of a search begins, as a text that means nothing to its holder.

A cursor carries the last id of a page and a checksum over it and the search. The checksum tells a cursor that was
changed, cut or used with another search; it keeps nobody out, and need not: whoever builds a cursor gets a page that
anybody may see.

Section:
    13.3, "Pages of a list that others change"
"""

from __future__ import annotations

import base64
import hashlib
import struct

from lab_support.services.store.errors import CursorError
from lab_support.services.store.repository import OrderSearch, ProductSearch

Search = ProductSearch | OrderSearch

_VERSION = 1
_LAYOUT = struct.Struct(">Bi8s")  # version, id, checksum


def cursor_after(last_id: int, search: Search) -> str:
    """Write the cursor of the page that follows an id in a search."""
    packed = _LAYOUT.pack(_VERSION, last_id, _checksum(last_id, search))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def id_of(cursor: str, search: Search) -> int:
    """Read the id after which the page begins.

    Raises:
        CursorError: The text is no cursor, or one that was given for another search.
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last_id = int(_LAYOUT.unpack(packed)[1])
    except (ValueError, struct.error) as error:
        raise CursorError("`after` is no cursor that the store gave.") from error
    if cursor != cursor_after(last_id, search):
        raise CursorError("`after` is no cursor that the store gave for this search.")
    return last_id


def _checksum(last_id: int, search: Search) -> bytes:
    fields = repr((_VERSION, last_id, *_fields(search)))
    return hashlib.blake2s(fields.encode(), digest_size=8).digest()


def _fields(search: Search) -> tuple[object, ...]:
    """Give what makes a search this one, with prices in one spelling."""
    if isinstance(search, OrderSearch):
        return ("orders", search.user_id)
    return (
        search.category,
        None if search.min_price is None else f"{search.min_price:.2f}",
        None if search.max_price is None else f"{search.max_price:.2f}",
        search.name_contains or None,
    )
