"""The `_id` of a document on its way in.

Section:
    13.7, "From the application to a document"
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

Document = dict[str, Any]


def with_identity(document: Document) -> Document:
    """Give the document with `_id` as its first field; a new ObjectId where it has none."""
    if next(iter(document), None) == "_id":
        return document
    return {"_id": document["_id"] if "_id" in document else ObjectId()} | document
