"""Documents before and after, compared as BSON does: field by field, with their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same to a server: 1 and 1.0 are not, and neither are null and a missing field."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Say in words in which fields a document is not as it should be; nothing if it is."""
    told = []
    for name in {**wanted, **found}:
        if name not in found:
            told.append(f"{name} is gone")
        elif name not in wanted:
            told.append(f"{name} is new: {found[name]!r}")
        elif not alike(wanted[name], found[name]):
            told.append(f"{name} is {found[name]!r} instead of {wanted[name]!r}")
    return told
