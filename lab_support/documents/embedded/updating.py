"""Changes documents as `update` and `findAndModify` ask: by operators, by a replacement, or by a pipeline.

An update is compiled once; applying it gives a new document and leaves the old one as it was.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bson import ObjectId

from lab_support.documents.embedded.array_filters import parse_array_filters
from lab_support.documents.embedded.errors import (
    BAD_VALUE,
    DOLLAR_PREFIXED_FIELD_NAME,
    FAILED_TO_PARSE,
    IMMUTABLE_FIELD,
    CommandError,
)
from lab_support.documents.embedded.limits import check_depth
from lab_support.documents.embedded.ordering import MISSING, values_equal
from lab_support.documents.embedded.places import Path, copied, read, remove, write
from lab_support.documents.embedded.positional import Positions, is_dynamic
from lab_support.documents.embedded.update_operators import Spot
from lab_support.documents.embedded.update_parsing import Rename, Step, parse_operators, refuse_conflicts
from lab_support.documents.embedded.upserting import fields_of_query

Document = dict[str, Any]

_ALTERED = (
    "After applying the update, the (immutable) field '_id' was found to have been altered to _id: {0!r}"
)
_MODIFIED = "Performing an update on the path '_id' would modify the immutable field '_id'"

Work = Callable[[Document, Mapping[str, Any], bool], Document]
"""From a document, the filter and whether it is being inserted to the changed document."""


class Update:
    """A compiled update.

    Attributes:
        is_replacement: Whether it replaces the whole document; such an update is for one document only.
    """

    def __init__(self, work: Work, complaint: str, *, is_replacement: bool = False) -> None:
        self.is_replacement = is_replacement
        self._work = work
        self._complaint = complaint

    def apply(self, document: Document, query: Mapping[str, Any]) -> Document:
        """Give the changed document; `_id` stays its first field.

        Args:
            document: The stored one; stays as it is.
            query: The filter that found it; tells which element `$` means.

        Raises:
            CommandError: An operator does not fit the value it finds (2, 14, 28), or `_id` would change (66).
        """
        return self._keeping_id(document, self._work(document, query, False))

    def insert(self, query: Mapping[str, Any]) -> Document:
        """Give the document that an upsert inserts when the filter found none; `_id` is its first field.

        Raises:
            CommandError: As `apply`; or the filter demands two values of one field (54).
        """
        seed = fields_of_query(query)
        if self.is_replacement:
            seed = {"_id": seed["_id"]} if "_id" in seed else {}
        made = self._work(seed, query, True)
        if "_id" in seed:
            return self._keeping_id(seed, made)
        return {"_id": made.pop("_id", MISSING)} | made if "_id" in made else {"_id": ObjectId()} | made

    def _keeping_id(self, old: Document, new: Document) -> Document:
        identity = new.pop("_id", MISSING if self._complaint is _MODIFIED else old["_id"])
        if not values_equal(identity, old["_id"]) or identity is MISSING:
            raise CommandError(IMMUTABLE_FIELD, self._complaint.format(identity))
        return {"_id": old["_id"]} | new


def compile_update(update: Any, array_filters: Any = None) -> Update:
    """Make an update from what a client sent.

    Raises:
        CommandError: It is malformed (9, 14, 56), two operators touch one path (40), a stage is not for updates (72),
            or an array filter is missing or not used (2, 9).
    """
    check_depth(update)
    if array_filters and not (isinstance(update, dict) and next(iter(update), "").startswith("$")):
        raise CommandError(FAILED_TO_PARSE, "arrayFilters may only be specified with update operators")
    if isinstance(update, list):
        return _pipeline(update)
    if not isinstance(update, dict):
        raise CommandError(FAILED_TO_PARSE, "Update argument must be either an object or an array")
    if next(iter(update), "").startswith("$"):
        return _operators(update, array_filters)
    return _replacement(update)


def _pipeline(stages: list[Any]) -> Update:
    from lab_support.documents.embedded.aggregating import compile_update_pipeline

    run = compile_update_pipeline(stages)
    return Update(lambda document, _query, _inserting: run(copied(document)), _ALTERED)


def _replacement(replacement: Document) -> Update:
    for name in replacement:
        if name.startswith("$"):
            sentence = (
                f"The dollar ($) prefixed field '{name}' is not allowed in an update's replacement document."
            )
            raise CommandError(DOLLAR_PREFIXED_FIELD_NAME, sentence)
    return Update(lambda _document, _query, _inserting: copied(replacement), _ALTERED, is_replacement=True)


def _operators(update: Document, array_filters: Any) -> Update:
    steps, renames = parse_operators(update)
    positions = Positions(parse_array_filters(array_filters, [step.path for step in steps]))
    dynamic = any(is_dynamic(step.path) for step in steps)

    def work(document: Document, query: Mapping[str, Any], inserting: bool) -> Document:
        changed: Document = copied(document)
        for rename in renames:
            _move(changed, rename)
        places = [
            (path, step)
            for step in steps
            if inserting or step.operator != "$setOnInsert"
            for path in positions.resolve(step.path, document, query)
        ]
        if dynamic:
            refuse_conflicts([path for path, _ in places])
        for path, step in places:
            _change(changed, path, step)
        return changed

    return Update(work, _MODIFIED)


def _change(document: Document, path: Path, step: Step) -> None:
    old = read(document, path)
    new = step.change(old, Spot(".".join(path), document.get("_id", MISSING)))
    if new is MISSING:
        remove(document, path)
    elif new is not old:
        write(document, path, new)


def _move(document: Document, rename: Rename) -> None:
    for path in (rename.source, rename.target):
        for end in range(1, len(path)):
            if isinstance(read(document, path[:end]), list):
                raise CommandError(BAD_VALUE, f"$rename cannot go through the array '{'.'.join(path[:end])}'")
    value = read(document, rename.source)
    if value is not MISSING:
        remove(document, rename.source)
        remove(document, rename.target)
        write(document, rename.target, value)
