"""The stage `$unwind`: one document per element of an array.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bson import Int64

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.grouping import Stage
from lab_support.documents.embedded.ordering import MISSING
from lab_support.documents.embedded.places import read

Document = dict[str, Any]

_KEYS = frozenset({"path", "includeArrayIndex", "preserveNullAndEmptyArrays"})


def compile_unwind(spec: Any) -> Stage:
    """Make the stage.

    Raises:
        CommandError: The path does not begin with `$` (code 28818), or a key is unknown (code 28811).
    """
    told = {"path": spec} if isinstance(spec, str) else spec
    if not isinstance(told, dict) or "path" not in told:
        raise CommandError(28812, "$unwind takes the path of a field, or a document with 'path'")
    if unknown := told.keys() - _KEYS:
        raise CommandError(28811, f"unrecognized option to $unwind stage: {min(unknown)}")
    path = told["path"]
    if not isinstance(path, str) or not path.startswith("$") or len(path) < 2:
        raise CommandError(28818, f"path option to $unwind stage should be prefixed with a '$': {path}")
    if type(told.get("includeArrayIndex", "")) is not str:
        raise CommandError(28810, "includeArrayIndex of $unwind is the name of a field")
    parts = path[1:].split(".")
    number_field, keep = told.get("includeArrayIndex"), bool(told.get("preserveNullAndEmptyArrays"))

    def run(documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            yield from _unwound(document, parts, number_field, keep)

    return run


def _unwound(document: Document, path: list[str], number_field: str | None, keep: bool) -> Iterator[Document]:
    value = read(document, path)
    if isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield _numbered(_with(document, path, item), number_field, Int64(number))
    elif isinstance(value, list) or value is None or value is MISSING:
        if keep:
            kept = _with(document, path, MISSING) if isinstance(value, list) else document
            yield _numbered(kept, number_field, None)
    else:
        yield _numbered(document, number_field, None)


def _with(document: Any, path: list[str], value: Any) -> Document:
    """Copy the documents on the way to a value, and put another in its place."""
    copied = dict(document)
    if len(path) > 1:
        copied[path[0]] = _with(document[path[0]], path[1:], value)
    elif value is MISSING:
        copied.pop(path[0], None)
    else:
        copied[path[0]] = value
    return copied


def _numbered(document: Document, field: str | None, number: Int64 | None) -> Document:
    return document if field is None else {**document, field: number}
