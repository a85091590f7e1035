"""The `arrayFilters` of an update: conditions with a name, which `$[name]` in a path refers to.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from lab_support.documents.embedded.errors import BAD_VALUE, FAILED_TO_PARSE, TYPE_MISMATCH, CommandError
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.places import Path

ElementTest = Callable[[Any], bool]

_NAME: Final = re.compile(r"[a-z][a-zA-Z0-9]*")


def parse_array_filters(filters: Any, paths: Iterable[Path]) -> dict[str, ElementTest]:
    """Give the filters by their names.

    Args:
        filters: What the client sent; None for none.
        paths: The paths of the update, which may use them.

    Raises:
        CommandError: A filter is malformed or has no name (2, 9, 14), is never used (9), or is missing (2).
    """
    made: dict[str, ElementTest] = {}
    for one in _documents(filters):
        name = _name_of(one)
        if name in made:
            raise CommandError(
                FAILED_TO_PARSE, f"Found multiple array filters with the same top-level field name {name}"
            )
        made[name] = _test(name, one)
    used = {part[2:-1]: path for path in paths for part in path if part.startswith("$[") and part != "$[]"}
    for name, path in used.items():
        if name not in made:
            shown = ".".join(path)
            raise CommandError(BAD_VALUE, f"No array filter found for identifier '{name}' in path '{shown}'")
    unused = made.keys() - used.keys()
    if unused:
        sentence = f"The array filter for identifier '{min(unused)}' was not used in the update"
        raise CommandError(FAILED_TO_PARSE, sentence)
    return made


def _documents(filters: Any) -> list[Mapping[str, Any]]:
    if filters is None:
        return []
    if not isinstance(filters, list) or not all(isinstance(one, Mapping) for one in filters):
        raise CommandError(TYPE_MISMATCH, "'arrayFilters' must be an array of documents")
    return filters


def _test(name: str, condition: Mapping[str, Any]) -> ElementTest:
    meets = compile_filter(condition)
    return lambda element: meets({name: element})


def _name_of(condition: Mapping[str, Any]) -> str:
    names = set(_names(condition))
    if len(names) != 1:
        sentence = f"An array filter is about one top-level field name, not about {sorted(names) or 'none'}"
        raise CommandError(FAILED_TO_PARSE, sentence)
    name = names.pop()
    if not _NAME.fullmatch(name):
        sentence = "The top-level field name must be an alphanumeric string beginning with a lowercase letter"
        raise CommandError(BAD_VALUE, f"{sentence}, found '{name}'")
    return name


def _names(condition: Mapping[str, Any]) -> Iterator[str]:
    for path, argument in condition.items():
        if path in ("$and", "$or", "$nor") and isinstance(argument, list):
            for part in argument:
                yield from _names(part) if isinstance(part, Mapping) else ()
        else:
            yield path.split(".")[0]
