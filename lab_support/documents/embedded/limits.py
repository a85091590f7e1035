"""The sizes and names a stored document may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bson
from bson import DBRef, Regex

from lab_support.documents.embedded.errors import (
    BSON_OBJECT_TOO_LARGE,
    DOLLAR_PREFIXED_FIELD_NAME,
    INVALID_ID_FIELD,
    OVERFLOW,
    CommandError,
)
from lab_support.documents.embedded.wire import MAX_DOCUMENT_BYTES

MAX_DEPTH: Final = 100
"""Levels of nesting; the limit that MongoDB documents (its servers bear up to 180)."""


def check_document(document: Mapping[str, Any]) -> None:
    """Refuse a document that MongoDB would not store.

    Raises:
        CommandError: Nested too deep (15), more than 16 MiB (10334), or an `_id` of a wrong kind (52, 53).
    """
    check_depth(document)
    check_id(document.get("_id"))
    size = len(bson.encode(document))
    if size > MAX_DOCUMENT_BYTES:
        sentence = f"object to insert too large. size in bytes: {size}, max size: {MAX_DOCUMENT_BYTES}"
        raise CommandError(BSON_OBJECT_TOO_LARGE, sentence)


def check_depth(value: Any) -> None:
    """Refuse a value nested deeper than `MAX_DEPTH` levels; looks level by level, so depth costs no stack.

    Raises:
        CommandError: Too deep (15).
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise CommandError(OVERFLOW, f"cannot use a document that exceeds {MAX_DEPTH} levels of nesting")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, DBRef):
        value = value.as_doc()
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [member for member in members if isinstance(member, Mapping | list | DBRef)]


def check_id(identifier: Any) -> None:
    """Refuse what cannot be an `_id`.

    Raises:
        CommandError: An array or a regular expression (53), or a document with a `$` name (52).
    """
    if isinstance(identifier, list | Regex):
        kind = "array" if isinstance(identifier, list) else "regex"
        raise CommandError(INVALID_ID_FIELD, f"The '_id' value cannot be of type {kind}")
    if isinstance(identifier, Mapping):
        for name in identifier:
            if name.startswith("$"):
                sentence = f"_id fields may not contain '$'-prefixed fields: {name} is not valid for storage."
                raise CommandError(DOLLAR_PREFIXED_FIELD_NAME, sentence)
