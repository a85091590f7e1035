"""Comparisons, conditions and variables.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

import operator as compare
from collections.abc import Callable
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
from lab_support.documents.embedded.ordering import MISSING, Key, sort_key

_MISSING_KEY: Key = (0,)


def expression_key(value: Any) -> Key:
    """Give the key by which expressions compare: a missing value is less than null."""
    return _MISSING_KEY if value is MISSING else sort_key(value)


def _comparison(name: str, holds: Callable[[Key, Key], bool]) -> None:
    @on_values(name, least=2)
    def work(left: Any, right: Any) -> bool:
        return holds(expression_key(left), expression_key(right))


for _name, _holds in (
    ("$eq", compare.eq), ("$ne", compare.ne), ("$gt", compare.gt),
    ("$gte", compare.ge), ("$lt", compare.lt), ("$lte", compare.le),
):  # fmt: skip
    _comparison(_name, _holds)


@on_values("$cmp", least=2)
def _cmp(left: Any, right: Any) -> int:
    one, other = expression_key(left), expression_key(right)
    return (one > other) - (one < other)


@on_values("$and", least=0, most=0)
def _and(*values: Any) -> bool:
    return all(map(is_true, values))


@on_values("$or", least=0, most=0)
def _or(*values: Any) -> bool:
    return any(map(is_true, values))


@on_values("$not")
def _not(value: Any) -> bool:
    return not is_true(value)


@on_values("$ifNull", least=2, most=0)
def _if_null(*values: Any) -> Any:
    return next((value for value in values[:-1] if not is_null(value)), values[-1])


@operator("$literal")
def _literal(argument: Any) -> Evaluate:
    return lambda _: argument


@operator("$cond")
def _cond(argument: Any) -> Evaluate:
    if isinstance(argument, dict):
        if argument.keys() != {"if", "then", "else"}:
            raise CommandError(17080, "$cond takes 'if', 'then' and 'else'")
        argument = [argument["if"], argument["then"], argument["else"]]
    if not isinstance(argument, list) or len(argument) != 3:
        raise CommandError(16020, "Expression $cond takes exactly 3 arguments.")
    condition, then, otherwise = map(compile_in_scope, argument)
    return lambda scope: then(scope) if is_true(condition(scope)) else otherwise(scope)


@operator("$switch")
def _switch(argument: Any) -> Evaluate:
    branches = argument.get("branches") if isinstance(argument, dict) else None
    if not isinstance(branches, list) or not all(
        isinstance(one, dict) and one.keys() == {"case", "then"} for one in branches
    ):
        raise CommandError(
            40060, "$switch takes 'branches', an array of 'case' and 'then', and perhaps 'default'"
        )
    ways = [(compile_in_scope(one["case"]), compile_in_scope(one["then"])) for one in branches]
    default = compile_in_scope(argument["default"]) if "default" in argument else None

    def evaluate(scope: Scope) -> Any:
        for case, then in ways:
            if is_true(case(scope)):
                return then(scope)
        if default is None:
            raise CommandError(
                40066, "$switch could not find a matching branch for an input, and no default was given"
            )
        return default(scope)

    return evaluate


@operator("$let")
def _let(argument: Any) -> Evaluate:
    if not (
        isinstance(argument, dict)
        and argument.keys() == {"vars", "in"}
        and isinstance(argument["vars"], dict)
    ):
        raise CommandError(16874, "$let takes 'vars', a document, and 'in'")
    values = {name: compile_in_scope(one) for name, one in argument["vars"].items()}
    body = compile_in_scope(argument["in"])
    return lambda scope: body(scope.having(**{name: value(scope) for name, value in values.items()}))
