"""What a dotted path finds in a document: queries look into arrays, and so does this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab_support.documents.embedded.ordering import MISSING


def values_at(document: Mapping[str, Any], path: Sequence[str]) -> Iterator[Any]:
    """Each value that a query looks at; `path` is split at its dots. `MISSING` where a (sub)document lacks the field.

    Arrays on the way are entered: their documents are asked for the rest of the path, and a number in the path
    also counts their elements. An array at the end is given as it is (see `leaves_at`).
    """
    return _walk(document, path)


def leaves_at(document: Mapping[str, Any], path: Sequence[str]) -> Iterator[Any]:
    """As `values_at`, but an array at the end gives its elements first and then itself."""
    for value in values_at(document, path):
        if isinstance(value, list):
            yield from value
        yield value


def _walk(document: Mapping[str, Any], parts: Sequence[str]) -> Iterator[Any]:
    value = document.get(parts[0], MISSING)
    rest = parts[1:]
    if not rest:
        yield value
    elif isinstance(value, Mapping):
        yield from _walk(value, rest)
    elif isinstance(value, list):
        yield from _walk_array(value, rest)
    else:
        yield MISSING


def _walk_array(array: Sequence[Any], parts: Sequence[str]) -> Iterator[Any]:
    for position, element in enumerate(array):
        if isinstance(element, Mapping):
            yield from _walk(element, parts)
        if parts[0] == str(position):
            yield from _at_position(element, parts[1:])


def _at_position(element: Any, rest: Sequence[str]) -> Iterator[Any]:
    if not rest:
        yield element
    elif isinstance(element, Mapping):
        yield from _walk(element, rest)
    elif isinstance(element, list):
        yield from _walk_array(element, rest)
