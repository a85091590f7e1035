"""Aggregation expressions: field paths, variables, literals and operators, compiled once.

Section:
    13.8, "Drift: ask the documents"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.kinds import type_alias
from lab_support.documents.embedded.ordering import MISSING

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see.

    Attributes:
        root: The document.
        variables: The values of `$$name`, beside ROOT, CURRENT, REMOVE and NOW.
    """

    root: Mapping[str, Any]
    variables: Mapping[str, Any] = field(default_factory=dict)

    def having(self, **variables: Any) -> Scope:
        """Give a scope with more variables."""
        return Scope(self.root, {**self.variables, **variables})


Evaluate = Callable[[Scope], Any]
Compile = Callable[[Any], Evaluate]

_OPERATORS: dict[str, Compile] = {}


def compile_expression(argument: Any) -> Callable[[Mapping[str, Any]], Any]:
    """Make a function from a document to the expression's value, `MISSING` when it has none.

    Raises:
        CommandError: The expression is malformed, or uses what is not supported (code 238).
    """
    evaluate = compile_in_scope(argument)
    return lambda document: evaluate(Scope(document))


def compile_in_scope(argument: Any) -> Evaluate:
    """Make a function from a scope to the expression's value; see `compile_expression`."""
    if isinstance(argument, str) and argument.startswith("$"):
        return _variable(argument[2:]) if argument.startswith("$$") else _field(argument[1:])
    if isinstance(argument, list):
        parts = [compile_in_scope(one) for one in argument]
        return lambda scope: [None if (value := part(scope)) is MISSING else value for part in parts]
    if isinstance(argument, dict):
        return _object(argument)
    return lambda _: argument


def operator(name: str) -> Callable[[Compile], Compile]:
    """Register the compiler of an operator; it gets the operator's argument."""

    def register(compiler: Compile) -> Compile:
        _OPERATORS[name] = compiler
        return compiler

    return register


def on_values(
    name: str, *, least: int = 1, most: int | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register an operator that works on the values of its arguments, so many of them.

    Args:
        name: With its `$`.
        least: The fewest arguments.
        most: The most; None means as many as `least`, 0 any number.
    """

    def register(work: Callable[..., Any]) -> Callable[..., Any]:
        highest = least if most is None else most

        def compiler(argument: Any) -> Evaluate:
            given = argument if isinstance(argument, list) else [argument]
            if len(given) < least or (highest and len(given) > highest):
                raise CommandError(
                    16020, f"Expression {name} takes {least} arguments. {len(given)} were passed in."
                )
            parts = [compile_in_scope(one) for one in given]
            return lambda scope: _worked(name, work, [part(scope) for part in parts])

        _OPERATORS[name] = compiler
        return work

    return register


def _worked(name: str, work: Callable[..., Any], values: list[Any]) -> Any:
    try:
        return work(*values)
    except (ValueError, TypeError, ArithmeticError) as error:
        kinds = ", ".join(map(type_alias, values))
        raise CommandError(2, f"{name} cannot work with these values of type {kinds}: {error}") from error


def is_null(value: Any) -> bool:
    """Say whether a value is null or missing, which most operators pass on as null."""
    return value is None or value is MISSING


def is_true(value: Any) -> bool:
    """Say whether a value counts as true: all but false, null, missing and zero."""
    if is_null(value) or value is False:
        return False
    if isinstance(value, int | float):
        return value != 0
    to_decimal = getattr(value, "to_decimal", None)
    return to_decimal is None or bool(to_decimal())


def _field(path: str) -> Evaluate:
    if not path or path.startswith(".") or path.endswith(".") or ".." in path:
        raise CommandError(40353, f"'${path}' is no valid field path.")
    parts = path.split(".")
    return lambda scope: value_of_path(scope.root, parts)


def _variable(path: str) -> Evaluate:
    name, *rest = path.split(".")
    if name in ("ROOT", "CURRENT"):
        return lambda scope: value_of_path(scope.root, rest)
    if name == "REMOVE":
        return lambda _: MISSING
    if name == "NOW":
        return lambda _: datetime.now(UTC).replace(tzinfo=None)
    if name.isupper():
        raise not_implemented(f"the variable $${name}")

    def evaluate(scope: Scope) -> Any:
        if name not in scope.variables:
            raise CommandError(17276, f"Use of undefined variable: {name}")
        return value_of_path(scope.variables[name], rest)

    return evaluate


def value_of_path(value: Any, path: list[str]) -> Any:
    """Follow a path of an expression; in an array it gives an array of what the elements have."""
    for depth, part in enumerate(path):
        if isinstance(value, Mapping):
            value = value.get(part, MISSING)
        elif isinstance(value, list):
            found = [value_of_path(item, path[depth:]) for item in value if isinstance(item, Mapping | list)]
            return [one for one in found if one is not MISSING]
        else:
            return MISSING
    return value


def _object(argument: Document) -> Evaluate:
    first = next(iter(argument), "")
    if first.startswith("$"):
        if len(argument) != 1:
            raise CommandError(
                15983, f"An object representing an expression must have exactly one field: {argument!r}"
            )
        _load_operators()
        compiler = _OPERATORS.get(first)
        if compiler is None:
            raise not_implemented(f"the expression {first}")
        return compiler(argument[first])
    parts = {name: compile_in_scope(one) for name, one in argument.items()}
    return lambda scope: {
        name: value for name, part in parts.items() if (value := part(scope)) is not MISSING
    }


def _load_operators() -> None:
    from lab_support.documents.embedded import expression_operators  # noqa: F401  (registers them)
