"""The stage `$group` and its accumulators.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lab_support.documents.embedded.arithmetic import total
from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.expression_operators.numbers import average, greatest, least
from lab_support.documents.embedded.expression_operators.objects import merge_objects
from lab_support.documents.embedded.expressions import Scope, compile_in_scope
from lab_support.documents.embedded.ordering import MISSING, Key, sort_key

Document = dict[str, Any]
Stage = Callable[[Iterable[Document]], Iterable[Document]]


def compile_group(spec: Any) -> Stage:
    """Make the stage.

    Raises:
        CommandError: `_id` is missing (code 15955), a field is no accumulator (code 40234), or one that is not
            supported (code 238).
    """
    if not isinstance(spec, dict) or "_id" not in spec:
        raise CommandError(15955, "a group specification must include an _id")
    identity = compile_in_scope(spec["_id"])
    fields = {name: _accumulator(name, one) for name, one in spec.items() if name != "_id"}

    def run(documents: Iterable[Document]) -> Iterator[Document]:
        groups: dict[Key, tuple[Any, list[Scope]]] = {}
        for document in documents:
            scope = Scope(document)
            value = identity(scope)
            value = None if value is MISSING else value
            groups.setdefault(sort_key(value), (value, []))[1].append(scope)
        for value, scopes in groups.values():
            yield {"_id": value, **{name: gather(scopes) for name, gather in fields.items()}}

    return run


def _accumulator(name: str, spec: Any) -> Callable[[list[Scope]], Any]:
    if not isinstance(spec, dict) or len(spec) != 1:
        raise CommandError(40234, f"The field '{name}' must be an accumulator object")
    operator, argument = next(iter(spec.items()))
    if "." in name:
        raise CommandError(40235, f"The field name '{name}' cannot contain '.'")
    if operator == "$count":
        return len
    if operator not in _GATHER:
        raise not_implemented(f"the accumulator {operator}")
    evaluate, gather = compile_in_scope(argument), _GATHER[operator]
    return lambda scopes: gather([evaluate(scope) for scope in scopes])


def _distinct(values: list[Any]) -> list[Any]:
    return list({sort_key(value): value for value in _present(values)}.values())


def _present(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not MISSING]


def _or_null(value: Any) -> Any:
    return None if value is MISSING else value


_GATHER: Mapping[str, Callable[[list[Any]], Any]] = {
    "$sum": total,
    "$avg": average,
    "$min": least,
    "$max": greatest,
    "$first": lambda values: _or_null(values[0]),
    "$last": lambda values: _or_null(values[-1]),
    "$push": _present,
    "$addToSet": _distinct,
    "$mergeObjects": lambda values: merge_objects(*values, None),
}
