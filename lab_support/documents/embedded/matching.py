"""Which documents a filter finds: MongoDB's query operators over BSON's comparison order (13.7, 13.8).

A filter is compiled once into a predicate, so an unknown operator is refused even when no document is looked at.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from bson import Decimal128

from lab_support.documents.embedded import value_tests as tests
from lab_support.documents.embedded.conditions import NOTHING, AllOf, Condition, Not, SomeValue
from lab_support.documents.embedded.errors import BAD_VALUE, CommandError, not_implemented
from lab_support.documents.embedded.limits import check_depth

Predicate = Callable[[Mapping[str, Any]], bool]


def compile_filter(query: Mapping[str, Any]) -> Predicate:
    """Make a predicate over documents from a filter.

    Raises:
        CommandError: An operator or an argument that MongoDB refuses (2, 9, …) or this server lacks (238).
    """
    check_depth(query)
    return _filter(query)


def matches(query: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether the filter finds this document; compile the filter once if there are many.

    Raises:
        CommandError: See `compile_filter`.
    """
    return compile_filter(query)(document)


def element_test(argument: Any) -> Callable[[Any], bool]:
    """Make a predicate over the elements of an array, as `$elemMatch` and `$pull` ask them.

    Operators are asked of the element itself, a filter of the fields of an element that is a document.

    Raises:
        CommandError: See `compile_filter`.
    """
    check_depth(argument)
    if not isinstance(argument, Mapping):
        return _condition(argument).accepts
    if is_operator_document(argument) and next(iter(argument)) not in _LOGICAL:
        return _conjunction(argument).accepts
    predicate = _filter(argument)
    return lambda value: isinstance(value, Mapping) and predicate(value)


def is_operator_document(value: Any) -> bool:
    """Whether the value is `{$operator: …}` and not a document to be equal to; a DBRef is the latter."""
    first = next(iter(value), "") if isinstance(value, Mapping) else ""
    return first.startswith("$") and first not in ("$ref", "$id", "$db")


def _filter(query: Mapping[str, Any]) -> Predicate:
    parts = [_clause(name, argument) for name, argument in query.items()]
    if len(parts) == 1:
        return parts[0]
    return lambda document: all(part(document) for part in parts)


def _clause(name: str, argument: Any) -> Predicate:
    if not name.startswith("$"):
        condition = _condition(argument)
        path = name.split(".")
        return lambda document: condition.holds(document, path)
    if name in _LOGICAL:
        return _LOGICAL[name](_branches(name, argument))
    if name == "$comment":
        return lambda _: True
    if name in ("$expr", "$jsonSchema"):
        return _foreign(name, argument)
    if name in _REFUSED:
        raise not_implemented(f"the query operator {name}")
    raise CommandError(
        BAD_VALUE, f"unknown top level operator: {name}. A field's name cannot start with '$' here."
    )


def _branches(name: str, argument: Any) -> list[Predicate]:
    if not isinstance(argument, list):
        raise CommandError(BAD_VALUE, f"{name} must be an array")
    if not argument:
        raise CommandError(BAD_VALUE, "$and/$or/$nor must be a nonempty array")
    if not all(isinstance(branch, Mapping) for branch in argument):
        raise CommandError(BAD_VALUE, "$or/$and/$nor entries need to be full objects")
    return [_filter(branch) for branch in argument]


_LOGICAL: Final[dict[str, Callable[[list[Predicate]], Predicate]]] = {
    "$and": lambda parts: lambda document: all(part(document) for part in parts),
    "$or": lambda parts: lambda document: any(part(document) for part in parts),
    "$nor": lambda parts: lambda document: not any(part(document) for part in parts),
}
_REFUSED: Final = frozenset({
    "$where", "$text", "$sampleRate", "$near", "$nearSphere", "$geoWithin", "$geoIntersects", "$geoNear",
    "$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear", "$within", "$maxDistance", "$minDistance",
})  # fmt: skip


def _foreign(name: str, argument: Any) -> Predicate:
    if name == "$jsonSchema":
        from lab_support.documents.embedded.validation import compile_schema

        schema = compile_schema(argument)
        return lambda document: not schema.unmet(document)
    from lab_support.documents.embedded.expressions import compile_expression

    evaluate = compile_expression(argument)
    return lambda document: _is_true(evaluate(document))


def _condition(argument: Any) -> Condition:
    if tests.is_pattern(argument):
        return SomeValue(tests.pattern_test(argument))
    if not is_operator_document(argument):
        return SomeValue(tests.equals(argument))
    return _conjunction(argument)


def _conjunction(operators: Mapping[str, Any]) -> Condition:
    if "$options" in operators and "$regex" not in operators:
        raise CommandError(BAD_VALUE, "$options needs a $regex")
    if not isinstance(operators.get("$options", ""), str):
        raise CommandError(BAD_VALUE, "$options has to be a string")
    parts = [
        _operator(name, argument, operators) for name, argument in operators.items() if name != "$options"
    ]
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _operator(name: str, argument: Any, siblings: Mapping[str, Any]) -> Condition:
    if name == "$regex":
        return SomeValue(tests.pattern_test(_pattern(argument), siblings.get("$options")))
    if name in _VALUE_TESTS:
        return SomeValue(_VALUE_TESTS[name](argument))
    if name in _CONDITIONS:
        return _CONDITIONS[name](argument)
    if name in _REFUSED:
        raise not_implemented(f"the query operator {name}")
    raise CommandError(BAD_VALUE, f"unknown operator: {name}")


def _pattern(argument: Any) -> Any:
    if not isinstance(argument, str) and not tests.is_pattern(argument):
        raise CommandError(BAD_VALUE, "$regex has to be a string")
    return argument


def _unequal(argument: Any) -> Condition:
    if tests.is_pattern(argument):
        raise CommandError(BAD_VALUE, "Can't have regex as arg to $ne.")
    return Not(SomeValue(tests.equals(argument)))


def _negation(argument: Any) -> Condition:
    if tests.is_pattern(argument):
        return Not(SomeValue(tests.pattern_test(argument)))
    if not isinstance(argument, Mapping):
        raise CommandError(BAD_VALUE, "$not needs a regex or a document")
    if not argument:
        raise CommandError(BAD_VALUE, "$not cannot be empty")
    return Not(_conjunction(argument))


def _existence(argument: Any) -> Condition:
    present = SomeValue(tests.is_present, looks_into_arrays=False)
    return present if _is_true(argument) else Not(present)


def _is_true(value: Any) -> bool:
    return (
        bool(value.to_decimal())
        if isinstance(value, Decimal128)
        else value is not None and value is not False and value != 0
    )


def _element(argument: Any) -> Condition:
    if not isinstance(argument, Mapping):
        raise CommandError(BAD_VALUE, "$elemMatch needs an Object")
    accepts = element_test(argument)

    def test(value: Any) -> bool:
        return isinstance(value, list) and any(map(accepts, value))

    return SomeValue(test, looks_into_arrays=False)


def _all(argument: Any) -> Condition:
    if not isinstance(argument, list):
        raise CommandError(BAD_VALUE, "$all needs an array")
    parts = [_all_member(member) for member in argument]
    return AllOf(parts) if parts else NOTHING


def _all_member(member: Any) -> Condition:
    if not is_operator_document(member):
        return _condition(member)
    if next(iter(member)) != "$elemMatch":
        raise CommandError(BAD_VALUE, "no $ expressions in $all")
    return _conjunction(member)


_VALUE_TESTS: Final[dict[str, Callable[[Any], Callable[[Any], bool]]]] = {
    "$eq": tests.equals,
    "$gt": tests.ordered(operator.gt, includes_equal=False),
    "$gte": tests.ordered(operator.ge, includes_equal=True),
    "$lt": tests.ordered(operator.lt, includes_equal=False),
    "$lte": tests.ordered(operator.le, includes_equal=True),
    "$in": tests.one_of,
    "$type": tests.of_type,
    "$mod": tests.remainder,
}
_CONDITIONS: Final[dict[str, Callable[[Any], Condition]]] = {
    "$ne": _unequal,
    "$nin": lambda argument: Not(SomeValue(tests.one_of(argument))),
    "$not": _negation,
    "$exists": _existence,
    "$size": lambda argument: SomeValue(tests.of_size(argument), looks_into_arrays=False),
    "$elemMatch": _element,
    "$all": _all,
}
