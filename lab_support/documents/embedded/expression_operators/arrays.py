"""Operators of arrays.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from lab_support.documents.embedded.errors import CommandError
from lab_support.documents.embedded.expressions import (
    Evaluate,
    Scope,
    compile_in_scope,
    is_null,
    is_true,
    on_values,
    operator,
)
from lab_support.documents.embedded.kinds import type_alias
from lab_support.documents.embedded.ordering import MISSING, sort_key
from lab_support.documents.embedded.value_tests import as_whole_number


@on_values("$isArray")
def _is_array(value: Any) -> bool:
    return isinstance(value, list)


@on_values("$size")
def _size(value: Any) -> int:
    if not isinstance(value, list):
        raise CommandError(
            17124, f"The argument to $size must be an array, but was of type: {type_alias(value)}"
        )
    return len(value)


@on_values("$in", least=2)
def _in(wanted: Any, items: Any) -> bool:
    if not isinstance(items, list):
        raise CommandError(40081, f"$in requires an array as a second argument, found: {type_alias(items)}")
    key = sort_key(wanted)
    return any(sort_key(item) == key for item in items)


@on_values("$arrayElemAt", least=2)
def _element(items: Any, position: Any) -> Any:
    if is_null(items) or is_null(position):
        return None
    items = _array("$arrayElemAt", items)
    place = as_whole_number(position)
    if place is None:
        raise CommandError(28691, "$arrayElemAt's second argument must be a whole number")
    return items[place] if -len(items) <= place < len(items) else MISSING


@on_values("$first")
def _first(items: Any) -> Any:
    return None if is_null(items) else next(iter(_array("$first", items)), MISSING)


@on_values("$last")
def _last(items: Any) -> Any:
    return None if is_null(items) else next(reversed(_array("$last", items)), MISSING)


@on_values("$concatArrays", least=0, most=0)
def _concat(*arrays: Any) -> Any:
    if any(map(is_null, arrays)):
        return None
    return [item for items in arrays for item in _array("$concatArrays", items)]


@on_values("$reverseArray")
def _reverse(items: Any) -> Any:
    return None if is_null(items) else _array("$reverseArray", items)[::-1]


@on_values("$slice", least=2, most=3)
def _slice(items: Any, *bounds: Any) -> Any:
    if is_null(items) or any(map(is_null, bounds)):
        return None
    items = _array("$slice", items)
    numbers = [as_whole_number(bound) for bound in bounds]
    if None in numbers:
        raise CommandError(28725, "$slice takes whole numbers")
    first = numbers[0] or 0
    if len(numbers) == 1:
        return items[:first] if first >= 0 else items[first:]
    start = first if first >= 0 else max(0, len(items) + first)
    return items[start : start + (numbers[1] or 0)]


@on_values("$setUnion", least=0, most=0)
def _union(*arrays: Any) -> Any:
    if any(map(is_null, arrays)):
        return None
    found = {sort_key(item): item for items in arrays for item in _array("$setUnion", items)}
    return [found[key] for key in sorted(found)]


@on_values("$setIntersection", least=1, most=0)
def _intersection(*arrays: Any) -> Any:
    if any(map(is_null, arrays)):
        return None
    sets = [{sort_key(item): item for item in _array("$setIntersection", items)} for items in arrays]
    return [sets[0][key] for key in sorted(set.intersection(*map(set, sets)))]


@on_values("$setDifference", least=2)
def _difference(left: Any, right: Any) -> Any:
    if is_null(left) or is_null(right):
        return None
    unwanted = {sort_key(item) for item in _array("$setDifference", right)}
    kept = {sort_key(item): item for item in _array("$setDifference", left)}
    return [item for key, item in kept.items() if key not in unwanted]


@operator("$filter")
def _filter(argument: Any) -> Evaluate:
    parts = _named("$filter", argument, {"input", "cond"}, {"as", "limit"})
    name = argument.get("as", "this")

    def evaluate(scope: Scope) -> Any:
        items = parts["input"](scope)
        if is_null(items):
            return None
        most = as_whole_number(parts["limit"](scope)) if "limit" in parts else None
        if "limit" in parts and (most is None or most < 1):
            raise CommandError(327391, "$filter's 'limit' must be a whole number from 1 up")
        kept = (
            item for item in _array("$filter", items) if is_true(parts["cond"](scope.having(**{name: item})))
        )
        return list(islice(kept, most and min(most, len(items))))

    return evaluate


@operator("$map")
def _map(argument: Any) -> Evaluate:
    parts = _named("$map", argument, {"input", "in"}, {"as"})
    name = argument.get("as", "this")

    def evaluate(scope: Scope) -> Any:
        items = parts["input"](scope)
        if is_null(items):
            return None
        found = (parts["in"](scope.having(**{name: item})) for item in _array("$map", items))
        return [None if value is MISSING else value for value in found]

    return evaluate


@operator("$reduce")
def _reduce(argument: Any) -> Evaluate:
    parts = _named("$reduce", argument, {"input", "initialValue", "in"}, set())

    def evaluate(scope: Scope) -> Any:
        items = parts["input"](scope)
        if is_null(items):
            return None
        value = parts["initialValue"](scope)
        for item in _array("$reduce", items):
            value = parts["in"](scope.having(value=value, this=item))
        return value

    return evaluate


def _named(name: str, argument: Any, needed: set[str], optional: set[str]) -> dict[str, Evaluate]:
    if not isinstance(argument, dict) or not needed <= argument.keys() <= needed | optional:
        raise CommandError(
            28646, f"{name} takes {', '.join(sorted(needed))} and perhaps {', '.join(sorted(optional))}"
        )
    if type(argument.get("as", "this")) is not str:
        raise CommandError(16866, f"'as' of {name} is the name of a variable, a string")
    return {key: compile_in_scope(one) for key, one in argument.items() if key != "as"}


def _array(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise CommandError(28689, f"{name} works on arrays, not on {type_alias(value)}")
    return value
