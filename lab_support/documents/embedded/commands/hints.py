"""Hints: an index that a client wants to be used must exist.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from typing import Any

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.storage import Collection


def check_hint(collection: Collection | None, hint: Any) -> None:
    """Refuse a hint that names no index; one that does changes no result.

    Raises:
        CommandError: Code 2.
    """
    if hint is None or collection is None or hint in ("_id_", {"_id": 1}, {"$natural": 1}):
        return
    for index in collection.indexes.values():
        if hint == index.name or (
            isinstance(hint, dict) and list(hint.items()) == list(index.spec["key"].items())
        ):
            return
    raise CommandError(2, "hint provided does not correspond to an existing index")
