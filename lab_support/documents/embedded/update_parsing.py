"""Reads the operators of an update: each path with its change, and no two on one path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from lab_support.documents.embedded.array_operators import ARRAY_OPERATORS
from lab_support.documents.embedded.errors import (
    BAD_VALUE,
    CONFLICTING_UPDATE_OPERATORS,
    DOLLAR_PREFIXED_FIELD_NAME,
    EMPTY_FIELD_NAME,
    FAILED_TO_PARSE,
    CommandError,
    not_implemented,
)
from lab_support.documents.embedded.kinds import type_alias
from lab_support.documents.embedded.places import Path, is_index
from lab_support.documents.embedded.positional import is_dynamic
from lab_support.documents.embedded.update_operators import FIELD_OPERATORS, Change

Document = dict[str, Any]

_STEP: Final = re.compile(r"\$(ref|id|db|\[\w*\])?", re.ASCII)
"""What may begin with a dollar in a path: an element, all elements, those of a filter, the fields of a DBRef."""

_OPERATORS: Final[dict[str, Callable[[Any], Change]]] = FIELD_OPERATORS | ARRAY_OPERATORS


@dataclass(frozen=True, slots=True)
class Step:
    """One operator on one path."""

    operator: str
    path: Path
    change: Change


@dataclass(frozen=True, slots=True)
class Rename:
    """A value that moves from one path to another."""

    source: Path
    target: Path


def parse_operators(update: Document) -> tuple[list[Step], list[Rename]]:
    """Give what the operators do, in the order in which MongoDB does it: by path.

    Raises:
        CommandError: An operator is unknown (9), two touch one path (40), a path has an empty part (56) or a
            wrong argument (2, 14); `$bit` is not supported (238).
    """
    steps = list(_steps(update))
    renames = list(_renames(update.get("$rename", {})))
    moved = [path for rename in renames for path in (rename.source, rename.target)]
    refuse_conflicts([step.path for step in steps] + moved)
    return sorted(steps, key=lambda step: [_part_key(part) for part in step.path]), renames


def _steps(update: Document) -> Iterator[Step]:
    for name, fields in update.items():
        if name == "$bit":
            raise not_implemented("the update operator $bit")
        if name not in _OPERATORS and name != "$rename":
            sentence = f"Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update"
            raise CommandError(FAILED_TO_PARSE, f"{sentence} specified as an array")
        if not isinstance(fields, dict):
            sentence = f"Modifiers operate on fields but we found type {type_alias(fields)} instead."
            raise CommandError(FAILED_TO_PARSE, f"{sentence} Write {{{name}: {{<field>: ...}}}}.")
        if name != "$rename":
            maker = _OPERATORS[name]
            yield from (Step(name, _path(path), maker(argument)) for path, argument in fields.items())


def _renames(fields: Document) -> Iterator[Rename]:
    for source, target in fields.items():
        if not isinstance(target, str):
            raise CommandError(BAD_VALUE, f"The 'to' field for $rename must be a string: {source}")
        rename = Rename(_path(source), _path(target))
        if rename.source == rename.target:
            raise CommandError(BAD_VALUE, f"The source and target field for $rename must differ: {source}")
        if is_dynamic(rename.source + rename.target):
            raise CommandError(BAD_VALUE, f"The paths of $rename may not be dynamic: {source}")
        yield rename


def _path(path: str) -> Path:
    parts = tuple(path.split("."))
    if "" in parts:
        sentence = f"The update path '{path}' contains an empty field name, which is not allowed."
        raise CommandError(EMPTY_FIELD_NAME, sentence)
    if parts[0] == "$" or parts[0].startswith("$["):
        sentence = f"Cannot have positional (i.e. '$') element in the first position in path '{path}'"
        raise CommandError(BAD_VALUE, sentence)
    if parts.count("$") > 1:
        raise CommandError(BAD_VALUE, f"Too many positional (i.e. '$') elements found in path '{path}'")
    if any(part.startswith("$") and not _STEP.fullmatch(part) for part in parts):
        sentence = f"The dollar ($) prefixed field in '{path}' is not allowed in the context of an update."
        raise CommandError(DOLLAR_PREFIXED_FIELD_NAME, sentence)
    return parts


def _part_key(part: str) -> tuple[bool, int, str]:
    return (False, int(part), "") if is_index(part) else (True, 0, part)


def refuse_conflicts(paths: list[Path]) -> None:
    """Refuse two changes of which one would undo or enter the other.

    Raises:
        CommandError: Two paths are the same, or one leads through the other (40).
    """
    known: set[Path] = set()
    ways: set[Path] = set()
    for path in paths:
        above = [path[:length] for length in range(1, len(path) + 1)]
        clash = next((way for way in above if way in known), path if path in ways else None)
        if clash is not None:
            shown, other = ".".join(path), ".".join(clash)
            sentence = f"Updating the path '{shown}' would create a conflict at '{other}'"
            raise CommandError(CONFLICTING_UPDATE_OPERATORS, sentence)
        known.add(path)
        ways.update(above)
