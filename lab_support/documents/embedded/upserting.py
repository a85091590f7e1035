"""What an upsert takes from its filter: the fields that the filter wants equal to one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.matching import is_operator_document
from lab_support.documents.embedded.ordering import MISSING
from lab_support.documents.embedded.places import copied, read, write
from lab_support.documents.embedded.value_tests import is_pattern

_NOT_SINGLE_VALUE_FIELD = 54


def fields_of_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the values that the filter demands by equality: plainly, by `$eq`, or by `$in` or `$all` of one.

    Raises:
        CommandError: The filter demands two values of one field (54).
    """
    made: dict[str, Any] = {}
    for path, value in _equalities(query):
        parts = tuple(path.split("."))
        if read(made, parts) is not MISSING:
            sentence = f"cannot infer query fields to set, path '{path}' is matched twice"
            raise CommandError(_NOT_SINGLE_VALUE_FIELD, sentence)
        write(made, parts, copied(value))
    return made


def _equalities(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, argument in query.items():
        if name == "$and" or (name == "$or" and len(argument) == 1):
            for part in argument:
                yield from _equalities(part)
        elif name.startswith("$") or is_pattern(argument):
            continue
        elif not is_operator_document(argument):
            yield name, argument
        elif "$eq" in argument:
            yield name, argument["$eq"]
        elif len(only := argument.get("$in", argument.get("$all", []))) == 1 and not is_pattern(only[0]):
            yield name, only[0]
