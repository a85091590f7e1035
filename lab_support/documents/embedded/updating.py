"""Changes documents as `update` and `findAndModify` ask: by operators, or by a replacement.

An update is compiled once; applying it gives a new document and leaves the old one as it was.

Section:
    13.7, "Updating"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bson import ObjectId

from lab_support.documents.embedded.array_operators import ARRAY_OPERATORS
from lab_support.documents.embedded.errors import (
    BAD_VALUE,
    CONFLICTING_UPDATE_OPERATORS,
    DOLLAR_PREFIXED_FIELD_NAME,
    EMPTY_FIELD_NAME,
    FAILED_TO_PARSE,
    IMMUTABLE_FIELD,
    CommandError,
    not_implemented,
)
from lab_support.documents.embedded.limits import check_depth
from lab_support.documents.embedded.matching import is_operator_document
from lab_support.documents.embedded.ordering import MISSING, values_equal
from lab_support.documents.embedded.places import Path, copied, is_index, read, remove, write
from lab_support.documents.embedded.positional import with_position
from lab_support.documents.embedded.update_operators import FIELD_OPERATORS, Change, Spot
from lab_support.documents.embedded.upserting import fields_of_query

Document = dict[str, Any]

_OPERATORS: Final = FIELD_OPERATORS | ARRAY_OPERATORS


@dataclass(frozen=True, slots=True)
class Step:
    """One operator on one path."""

    operator: str
    path: Path
    change: Change

    def apply(self, document: Document, path: Path) -> None:
        """Change the document at `path`, which is the own one with `$` made a number."""
        old = read(document, path)
        new = self.change(old, Spot(".".join(path), document.get("_id", MISSING)))
        if new is MISSING:
            remove(document, path)
        elif new is not old:
            write(document, path, new)


class Update:
    """A compiled update.

    Attributes:
        is_replacement: Whether it replaces the whole document; such an update is for one document only.
    """

    def __init__(self, replacement: Document | None, steps: list[Step], renames: dict[Path, Path]) -> None:
        self.is_replacement = replacement is not None
        self._replacement = replacement
        self._steps = steps
        self._renames = renames

    def apply(self, document: Document, query: Mapping[str, Any]) -> Document:
        """Give the changed document.

        Args:
            document: The stored one; stays as it is.
            query: The filter that found it; tells which element `$` means.

        Raises:
            CommandError: An operator does not fit the value it finds (2, 14, 28), or `_id` would change (66).
        """
        if self._replacement is not None:
            return _replaced(document, self._replacement)
        changed: Document = copied(document)
        self._run(changed, query, inserting=False)
        if not values_equal(changed.get("_id", MISSING), document.get("_id", MISSING)):
            sentence = "Performing an update on the path '_id' would modify the immutable field '_id'"
            raise CommandError(IMMUTABLE_FIELD, sentence)
        return changed

    def insert(self, query: Mapping[str, Any]) -> Document:
        """Give the document that an upsert inserts when the filter found none; `_id` is its first field.

        Raises:
            CommandError: As `apply`.
        """
        started = fields_of_query(query)
        if self._replacement is not None:
            own = self._replacement.get("_id", started.get("_id", MISSING))
            if "_id" in started and not values_equal(own, started["_id"]):
                raise _altered_id(own)
            made = copied(self._replacement)
        else:
            made = started
            self._run(made, query, inserting=True)
            own = made.get("_id", MISSING)
            if (
                "_id" in query
                and not is_operator_document(query["_id"])
                and not values_equal(own, query["_id"])
            ):
                sentence = "Performing an update on the path '_id' would modify the immutable field '_id'"
                raise CommandError(IMMUTABLE_FIELD, sentence)
        made.pop("_id", None)
        return {"_id": ObjectId() if own is MISSING else own, **made}

    def _run(self, document: Document, query: Mapping[str, Any], *, inserting: bool) -> None:
        for source, target in self._renames.items():
            value = read(document, source)
            if value is not MISSING:
                remove(document, source)
                write(document, target, value)
        for step in self._steps:
            if inserting or step.operator != "$setOnInsert":
                step.apply(document, with_position(step.path, document, query))


def compile_update(update: Any, array_filters: Any = None) -> Update:
    """Make an update from what a client sent.

    Raises:
        CommandError: An operator is unknown (9), two touch one path (40), a path has an empty part (56) or a
            wrong argument (2, 14); pipelines, `arrayFilters` and `$[]` are not supported (238).
    """
    if isinstance(update, list):
        raise not_implemented("updates by a pipeline")
    if array_filters:
        raise not_implemented("arrayFilters")
    if not isinstance(update, dict):
        raise CommandError(FAILED_TO_PARSE, "Update argument must be either an object or an array")
    check_depth(update)
    if not next(iter(update), "").startswith("$"):
        _refuse_dollar_names(update)
        return Update(update, [], {})
    steps = list(_steps(update))
    renames = dict(_renames(update.get("$rename", {})))
    _refuse_conflicts([step.path for step in steps] + [path for pair in renames.items() for path in pair])
    return Update(None, sorted(steps, key=lambda step: [_part_key(part) for part in step.path]), renames)


def _steps(update: Document) -> Iterator[Step]:
    for name, fields in update.items():
        if name == "$bit":
            raise not_implemented("the update operator $bit")
        if name not in _OPERATORS and name != "$rename":
            raise CommandError(
                FAILED_TO_PARSE, f"Unknown modifier: {name}. Expected a valid update modifier."
            )
        if not isinstance(fields, dict):
            sentence = f"Modifiers operate on fields but we found type {type(fields).__name__} instead: {{{name}: …}}"
            raise CommandError(FAILED_TO_PARSE, sentence)
        if name != "$rename":
            maker: Callable[[Any], Change] = _OPERATORS[name]
            yield from (Step(name, _path(path), maker(argument)) for path, argument in fields.items())


def _renames(fields: Document) -> Iterator[tuple[Path, Path]]:
    for source, target in fields.items():
        if not isinstance(target, str):
            raise CommandError(BAD_VALUE, f"The 'to' field for $rename must be a string: {source}")
        yield _path(source), _path(target)


def _path(path: str) -> Path:
    parts = tuple(path.split("."))
    if "" in parts:
        sentence = f"The update path '{path}' contains an empty field name, which is not allowed."
        raise CommandError(EMPTY_FIELD_NAME, sentence)
    if any(part.startswith("$[") for part in parts):
        raise not_implemented(f"the path '{path}', which changes several elements of an array")
    if (
        any(part.startswith("$") and part not in ("$", "$ref", "$id", "$db") for part in parts)
        or parts[0] == "$"
    ):
        sentence = f"The dollar ($) prefixed field in '{path}' is not allowed in the context of an update."
        raise CommandError(DOLLAR_PREFIXED_FIELD_NAME, sentence)
    return parts


def _part_key(part: str) -> tuple[bool, int, str]:
    return (False, int(part), "") if is_index(part) else (True, 0, part)


def _refuse_conflicts(paths: list[Path]) -> None:
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


def _refuse_dollar_names(replacement: Document) -> None:
    for name in replacement:
        if name.startswith("$"):
            sentence = (
                f"The dollar ($) prefixed field '{name}' is not allowed in an update's replacement document."
            )
            raise CommandError(DOLLAR_PREFIXED_FIELD_NAME, sentence)


def _replaced(document: Document, replacement: Document) -> Document:
    identity = document["_id"]
    own = replacement.get("_id", identity)
    if not values_equal(own, identity):
        raise _altered_id(own)
    fields: Document = copied(replacement)
    fields.pop("_id", None)
    return {"_id": identity, **fields}


def _altered_id(own: Any) -> CommandError:
    sentence = f"After applying the update, the (immutable) field '_id' was found to have been altered to _id: {own!r}"
    return CommandError(IMMUTABLE_FIELD, sentence)
