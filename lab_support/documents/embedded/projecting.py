"""Projections: the part of a document that a query or `$project` wants, with computed fields.

Section:
    13.7, "Every operation, and what it answers"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab_support.documents.embedded.errors import CommandError, not_implemented
from lab_support.documents.embedded.expressions import Evaluate, Scope, compile_in_scope
from lab_support.documents.embedded.kinds import is_number
from lab_support.documents.embedded.matching import compile_filter
from lab_support.documents.embedded.ordering import MISSING

Document = dict[str, Any]
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Computed:
    """A field whose value is not the document's own."""

    evaluate: Evaluate


def compile_projection(
    spec: Mapping[str, Any], *, in_pipeline: bool = False
) -> Callable[[Document], Document]:
    """Make a function that gives the wanted part of a document.

    Args:
        spec: A field is wanted (1 or true), unwanted (0 or false) or computed; `_id` is wanted unless unwanted.
        in_pipeline: Whether it stands in `$project`, where `$slice` and `$elemMatch` are not projections.

    Raises:
        CommandError: Fields are both wanted and unwanted (code 31254 or 31253), two paths collide (code 31249), or
            what is asked for is not supported (code 238).
    """
    if not spec:
        return lambda document: document
    tree: Tree = {}
    for path, wish in spec.items():
        _plant(tree, path, _leaf(path, wish, in_pipeline))
    identity = tree.pop("_id", True)
    leaves = _leaves(tree)
    _refuse_mixture(leaves)
    keeps_all = not in_pipeline and _only_slices(leaves, spec)
    if keeps_all or any(leaf is False for _, leaf in leaves) or (not leaves and identity is False):
        tree = tree if identity is True else {"_id": identity, **tree}
        return lambda document: _add_computed(tree, _exclude(tree, document), Scope(document))
    tree = tree if identity is False else {"_id": identity, **tree}
    return lambda document: _add_computed(tree, _include(tree, document), Scope(document))


def _refuse_mixture(leaves: list[tuple[str, Any]]) -> None:
    wanted = [path for path, leaf in leaves if leaf is True]
    unwanted = [path for path, leaf in leaves if leaf is False]
    if not (wanted and unwanted):
        return
    if next(leaf for _, leaf in leaves if isinstance(leaf, bool)):
        raise CommandError(31254, f"Cannot do exclusion on field {unwanted[0]} in inclusion projection")
    raise CommandError(31253, f"Cannot do inclusion on field {wanted[0]} in exclusion projection")


def _only_slices(leaves: list[tuple[str, Any]], spec: Mapping[str, Any]) -> bool:
    """Say whether a query's projection names no field but to cut arrays; such a one keeps all other fields."""
    return all(isinstance(leaf, Computed) for _, leaf in leaves) and any(
        isinstance(wish, dict) and "$slice" in wish for wish in spec.values()
    )


def compile_additions(spec: Mapping[str, Any]) -> Callable[[Document], Document]:
    """Make the function of `$addFields` and `$set`: the document with computed fields.

    Raises:
        CommandError: Two paths collide (code 31249), or an expression is malformed or not supported.
    """
    tree: Tree = {}
    for path, argument in spec.items():
        _plant(tree, path, _addition(argument))
    return lambda document: _add_computed(tree, document, Scope(document))


def _addition(argument: Any) -> Any:
    if isinstance(argument, dict) and argument and not next(iter(argument)).startswith("$"):
        return {name: _addition(item) for name, item in argument.items()}
    return Computed(compile_in_scope(argument))


def _leaf(path: str, wish: Any, in_pipeline: bool) -> Any:
    if isinstance(wish, bool) or is_number(wish):
        return bool(wish)
    if isinstance(wish, dict) and wish:
        first = next(iter(wish))
        if not first.startswith("$"):
            return {name: _leaf(name, inner, in_pipeline) for name, inner in wish.items()}
        if not in_pipeline and first in ("$elemMatch", "$slice"):
            return Computed(_ELEMENT_PROJECTIONS[first](path, wish[first]))
        if first == "$meta":
            raise not_implemented("'$meta' in a projection")
    if path.endswith(".$"):
        raise not_implemented("'$' in a projection")
    return Computed(compile_in_scope(wish))


def _plant(tree: Tree, path: str, leaf: Any) -> None:
    *way, last = path.split(".")
    if "" in (*way, last):
        raise CommandError(40353, f"The path '{path}' has an empty part.")
    if last == "$":
        raise not_implemented("'$' in a projection")
    for part in way:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise CommandError(31249, f"Path collision at {path}")
    if last in tree:
        raise CommandError(31249, f"Path collision at {path}")
    tree[last] = leaf


def _leaves(tree: Tree, before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, leaf in tree.items():
        path = f"{before}{name}"
        found += _leaves(leaf, f"{path}.") if isinstance(leaf, dict) else [(path, leaf)]
    return found


def _include(tree: Tree, value: Any) -> Any:
    if isinstance(value, list):
        return [_include(tree, item) for item in value if isinstance(item, dict | list)]
    kept: Document = {}
    for name, item in value.items():
        leaf = tree.get(name)
        if leaf is True:
            kept[name] = item
        elif isinstance(leaf, dict) and isinstance(item, dict | list):
            kept[name] = _include(leaf, item)
    return kept


def _exclude(tree: Tree, value: Any) -> Any:
    if isinstance(value, list):
        return [_exclude(tree, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _exclude(leaf, item) if isinstance(leaf := tree.get(name), dict) else item
        for name, item in value.items()
        if tree.get(name) is not False
    }


def _add_computed(tree: Tree, value: Any, scope: Scope) -> Any:
    """Give a copy of the value with the computed fields of the tree; documents are made where they are missing."""
    if isinstance(value, list):
        return [_add_computed(tree, item, scope) for item in value]
    result: Document = dict(value) if isinstance(value, dict) else {}
    for name, leaf in tree.items():
        if isinstance(leaf, Computed):
            found = leaf.evaluate(scope)
            if found is MISSING:
                result.pop(name, None)
            else:
                result[name] = found
        elif isinstance(leaf, dict) and _computes(leaf):
            result[name] = _add_computed(leaf, result.get(name, {}), scope)
    return result


def _computes(tree: Tree) -> bool:
    return any(isinstance(leaf, Computed) for _, leaf in _leaves(tree))


def _matched_element(path: str, argument: Any) -> Evaluate:
    if not isinstance(argument, dict):
        raise CommandError(2, "elemMatch: Invalid argument, object required")
    matches = compile_filter({"item": {"$elemMatch": argument}})

    def evaluate(scope: Scope) -> Any:
        items = scope.root.get(path)
        if isinstance(items, list):
            for item in items:
                if matches({"item": [item]}):
                    return [item]
        return MISSING

    return evaluate


def _sliced(path: str, argument: Any) -> Evaluate:
    bounds = argument if isinstance(argument, list) else [argument]
    if not 1 <= len(bounds) <= 2 or not all(
        isinstance(one, int) and not isinstance(one, bool) for one in bounds
    ):
        raise CommandError(28667, "$slice takes a number, or an array of two numbers")
    if len(bounds) == 2 and bounds[1] <= 0:
        raise CommandError(28729, "the second number of $slice must be positive")

    def evaluate(scope: Scope) -> Any:
        items = scope.root.get(path, MISSING)
        if not isinstance(items, list):
            return items
        if len(bounds) == 1:
            return items[: bounds[0]] if bounds[0] >= 0 else items[bounds[0] :]
        start = bounds[0] if bounds[0] >= 0 else max(0, len(items) + bounds[0])
        return items[start : start + bounds[1]]

    return evaluate


_ELEMENT_PROJECTIONS: Mapping[str, Callable[[str, Any], Evaluate]] = {
    "$elemMatch": _matched_element,
    "$slice": _sliced,
}
