"""Reads, writes and removes the value at one dotted path of a document that is being changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lab_support.documents.embedded.errors import BAD_VALUE, PATH_NOT_VIABLE, CommandError
from lab_support.documents.embedded.ordering import MISSING

Path = tuple[str, ...]

_MOST_PADDING: Final = 1_500_000


def read(root: Any, path: Sequence[str]) -> Any:
    """The value at a path; numbers in it count the elements of arrays. `MISSING` when there is none."""
    value = root
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and is_index(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def write(root: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value at a path; missing documents on the way are made, arrays are filled with null.

    Raises:
        CommandError: The way leads through a value that is no document and no array (28), or far behind the end
            of an array (2).
    """
    container: Any = root
    for part in path[:-1]:
        inner = read(container, (part,))
        if inner is MISSING:
            inner = {}
            _put(container, part, inner)
        if not isinstance(inner, dict | list):
            shown = {part: inner}
            raise CommandError(PATH_NOT_VIABLE, f"Cannot create field '{path[-1]}' in element {shown}")
        container = inner
    _put(container, path[-1], value)


def remove(root: dict[str, Any], path: Path) -> None:
    """Take the value at a path away; in an array null takes its place, as in MongoDB."""
    container = read(root, path[:-1])
    if isinstance(container, dict):
        container.pop(path[-1], None)
    elif isinstance(container, list) and read(container, path[-1:]) is not MISSING:
        container[int(path[-1])] = None


def is_index(part: str) -> bool:
    """Whether a part of a path can count elements: digits without a leading zero."""
    return part.isascii() and part.isdigit() and (part == "0" or part[0] != "0")


def copied(value: Any) -> Any:
    """The same value in containers of its own, so that changing one does not change the other."""
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def _put(container: Any, part: str, value: Any) -> None:
    if isinstance(container, dict):
        container[part] = value
        return
    if not is_index(part):
        raise CommandError(PATH_NOT_VIABLE, f"Cannot create field '{part}' in an array")
    gap = int(part) - len(container)
    if gap > _MOST_PADDING:
        raise CommandError(
            BAD_VALUE, f"can't fill {gap} elements of an array with null; {_MOST_PADDING} is the most"
        )
    container.extend([None] * (gap + 1))
    container[int(part)] = value
