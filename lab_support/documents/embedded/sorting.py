"""What a sort may look like.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_support.documents.embedded.errors import CommandError, not_implemented


def check_sort(sort: Mapping[str, Any]) -> None:
    """Refuse a sort that is not `1` or `-1` per field.

    Raises:
        CommandError: Code 2, or 238 for `$meta`.
    """
    if "$natural" in sort and len(sort) > 1:
        raise CommandError(
            2, "$natural sort cannot be set to a value other than -1 or 1, nor stand with others."
        )
    for path, direction in sort.items():
        if isinstance(direction, dict):
            raise not_implemented("'$meta' in a sort")
        if isinstance(direction, bool) or direction not in (1, -1):
            raise CommandError(2, f"$sort key ordering must be 1 or -1, not {direction!r} for '{path}'.")
        if (path.startswith("$") and path != "$natural") or "" in path.split("."):
            raise CommandError(2, f"'{path}' is no field to sort by.")
