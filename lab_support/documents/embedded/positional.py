"""The `$` in an update's path: the first element of an array that the filter meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_support.documents.embedded.errors import BAD_VALUE, CommandError
from lab_support.documents.embedded.matching import matches
from lab_support.documents.embedded.places import Path, copied, read, write


def with_position(path: Path, document: dict[str, Any], query: Mapping[str, Any]) -> Path:
    """The path with `$` made the number of an element; a path without `$` stays.

    The element is the first one with which alone in its array the document still meets the filter.

    Raises:
        CommandError: There is no such element, or a second `$` (2).
    """
    if "$" not in path:
        return path
    before, after = path[: path.index("$")], path[path.index("$") + 1 :]
    if "$" in after:
        shown = ".".join(path)
        raise CommandError(BAD_VALUE, f"Too many positional (i.e. '$') elements found in path '{shown}'")
    array = read(document, before)
    for position, element in enumerate(array if isinstance(array, list) else []):
        alone = copied(document)
        write(alone, before, [element])
        if matches(query, alone):
            return (*before, str(position), *after)
    sentence = "The positional operator did not find the match needed from the query."
    raise CommandError(BAD_VALUE, sentence)
