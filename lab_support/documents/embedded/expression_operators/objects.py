"""Operators of documents: to arrays and back, and merged.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import (
    Evaluate,
    compile_in_scope,
    is_null,
    on_values,
    operator,
)
from lab_support.documents.embedded.kinds import type_alias
from lab_support.documents.embedded.ordering import MISSING


@on_values("$objectToArray")
def _to_array(value: Any) -> Any:
    if is_null(value):
        return None
    if not isinstance(value, Mapping):
        raise CommandError(40390, f"$objectToArray requires a document input, found: {type_alias(value)}")
    return [{"k": name, "v": item} for name, item in value.items()]


@on_values("$arrayToObject")
def _to_object(value: Any) -> Any:
    if is_null(value):
        return None
    if not isinstance(value, list):
        raise CommandError(40386, f"$arrayToObject requires an array input, found: {type_alias(value)}")
    return dict(_pair(item) for item in value)


def _pair(item: Any) -> tuple[str, Any]:
    pair = (item["k"], item["v"]) if isinstance(item, Mapping) and item.keys() == {"k", "v"} else item
    if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str):
        return pair[0], pair[1]
    raise CommandError(40392, "$arrayToObject requires pairs [key, value], or documents of 'k' and 'v'")


@on_values("$mergeObjects", least=0, most=0)
def merge_objects(*values: Any) -> dict[str, Any]:
    """Put documents together; later ones win, null counts as empty."""
    merged: dict[str, Any] = {}
    for value in values[0] if len(values) == 1 and isinstance(values[0], list) else values:
        if is_null(value):
            continue
        if not isinstance(value, Mapping):
            raise CommandError(
                40400, f"$mergeObjects requires object inputs, but input is of type {type_alias(value)}"
            )
        merged |= value
    return merged


@operator("$getField")
def _get_field(argument: Any) -> Evaluate:
    named = argument if isinstance(argument, dict) and "field" in argument else {"field": argument}
    name, source = named["field"], compile_in_scope(named.get("input", "$$ROOT"))
    if type(name) is not str:
        raise CommandError(5654602, "$getField requires 'field' to be a string")
    return lambda scope: found.get(name, MISSING) if isinstance(found := source(scope), Mapping) else MISSING
