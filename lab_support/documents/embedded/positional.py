"""The `$`, `$[]` and `$[name]` in an update's path: which elements of an array they mean.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab_support.documents.embedded.errors import BAD_VALUE, CommandError
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.places import Path, read

Document = dict[str, Any]

_NOT_FOUND = "The positional operator did not find the match needed from the query."


def is_dynamic(path: Path) -> bool:
    """Whether the path depends on the document that is changed."""
    return any(part == "$" or part.startswith("$[") for part in path)


@dataclass(frozen=True, slots=True)
class Positions:
    """Resolves dynamic paths.

    Attributes:
        filters: The array filters by their names; each tells whether an element is meant.
    """

    filters: Mapping[str, Callable[[Any], bool]]

    def resolve(self, path: Path, document: Document, query: Mapping[str, Any]) -> list[Path]:
        """The plain paths that a dynamic one stands for in this document; a plain path stands for itself.

        Raises:
            CommandError: No element is found, a second `$`, or a `$[…]` where there is no array (2).
        """
        if not is_dynamic(path):
            return [path]
        resolved: list[Path] = [()]
        for part in path:
            resolved = [longer for begun in resolved for longer in self._extend(begun, part, document, query)]
        return resolved

    def _extend(self, path: Path, part: str, document: Document, query: Mapping[str, Any]) -> Iterator[Path]:
        if part == "$":
            yield (*path, str(_first_found(path, document, query)))
        elif part.startswith("$["):
            meant = self.filters.get(part[2:-1], _all)
            for position, element in enumerate(_array_at(path, document)):
                if meant(element):
                    yield (*path, str(position))
        else:
            yield (*path, part)


def _all(_element: Any) -> bool:
    return True


def _array_at(path: Path, document: Document) -> list[Any]:
    array = read(document, path)
    if not isinstance(array, list):
        shown = ".".join(path)
        sentence = (
            f"The path '{shown}' must exist in the document and be an array in order to apply array updates."
        )
        raise CommandError(BAD_VALUE, sentence)
    return array


def _first_found(path: Path, document: Document, query: Mapping[str, Any]) -> int:
    """The first element with which alone in its array the document still meets the filter."""
    array = read(document, path)
    meets = compile_filter(query)
    for position, element in enumerate(array if isinstance(array, list) else []):
        if meets(_changed_at(document, path, [element])):
            return position
    raise CommandError(BAD_VALUE, _NOT_FOUND)


def _changed_at(container: Any, path: Path, value: Any) -> Any:
    """The container with another value at a path that exists; what is beside the path is shared."""
    if not path:
        return value
    inner = _changed_at(read(container, path[:1]), path[1:], value)
    if isinstance(container, dict):
        return container | {path[0]: inner}
    position = int(path[0])
    return [*container[:position], inner, *container[position + 1 :]]
