"""Reads the arguments that several commands share.

Section:
    13.7, "What this lesson's server is, and is not"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_support.documents.embedded.errors import CommandError

Document = dict[str, Any]

_TOO_LARGE = 2**62
_WRITE_CONCERN_KEYS = frozenset(["w", "j", "wtimeout", "fsync", "provenance"])


def document(body: Mapping[str, Any], key: str) -> Document:
    """Read a document; an absent one is empty.

    Raises:
        CommandError: It is something else (code 14).
    """
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CommandError(14, f"'{key}' must be a document, not {type(value).__name__}.")
    return value


def documents(body: Mapping[str, Any], key: str) -> list[Document]:
    """Read an array of at least one document.

    Raises:
        CommandError: It is something else (code 14), or has no or too many entries (code 16).
    """
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise CommandError(14, f"'{key}' must be an array of documents.")
    if not 1 <= len(value) <= 100_000:
        raise CommandError(
            16, f"Write batch sizes must be between 1 and 100000. Got {len(value)} operations."
        )
    return value


def whole_number(body: Mapping[str, Any], key: str, default: int = 0, *, least: int = 0) -> int:
    """Read a whole number.

    Raises:
        CommandError: It is not a number (code 14), or a broken one, or less than `least` (code 2).
    """
    value = body.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CommandError(14, f"'{key}' must be a number, not {type(value).__name__}.")
    if not least <= value < _TOO_LARGE or value != int(value):
        raise CommandError(2, f"'{key}' must be a whole number from {least} up, not {value}.")
    return int(value)


def batch_size(body: Mapping[str, Any]) -> int | None:
    """Read `batchSize`; None where the server is to choose.

    Raises:
        CommandError: It is no whole number from 0 up.
    """
    return None if body.get("batchSize") is None else whole_number(body, "batchSize")


def check_concerns(body: Mapping[str, Any]) -> None:
    """Refuse write and read concerns that a server on its own cannot give.

    Raises:
        CommandError: Code 2 or 9.
    """
    write = document(body, "writeConcern")
    if write.keys() - _WRITE_CONCERN_KEYS:
        raise CommandError(9, f"The write concern {write} cannot be read.")
    w = write.get("w", 1)
    if isinstance(w, int) and w > 1:
        raise CommandError(2, "cannot use 'w' > 1 when a host is not replicated")
    if isinstance(w, str) and w != "majority":
        raise CommandError(2, f"cannot use non-majority 'w' mode {w} when a host is not replicated")
    level = document(body, "readConcern").get("level", "local")
    if level in ("linearizable", "snapshot"):
        raise CommandError(20, f"read concern level {level} is only valid on a replica set")
    if level not in ("local", "available", "majority"):
        raise CommandError(9, f"'{level}' is no level of a read concern.")
