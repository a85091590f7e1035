"""Which code an exercise's verdict rests on, so that a change elsewhere needs no new check.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab_support.notebooks import Cell, Notebook


def fingerprints(notebook: Notebook) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return, for each exercise that has a check cell, the ids and sources of the cells its verdict rests on.

    These are its own cells, those before its check that belong to no exercise, and those of other exercises that
    bind a name which the former use.
    """
    cells = list(notebook.code())
    return {
        exercise: tuple((cell.id, cell.source) for cell in _relevant(exercise, check, cells))
        for exercise, check in notebook.check_cells().items()
    }


def _relevant(exercise: str, check: Cell, cells: list[Cell]) -> list[Cell]:
    """Go back from the check, collecting names whose binding is still to be found."""
    found, wanted = [check], set(_names_in(check).needed)
    for cell in reversed(cells[: cells.index(check)]):
        owner, names = cell.name, _names_in(cell)
        if owner is not None and owner.role == "check":
            continue
        if owner is None or owner.exercise == exercise or names.unclear or wanted & names.bound:
            found.append(cell)
            wanted = (wanted - names.surely_bound) | names.needed
    return found[::-1]


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that a cell binds, those it binds whenever it runs, and those it may take from cells before it."""

    bound: frozenset[str]
    surely_bound: frozenset[str]
    needed: frozenset[str]
    unclear: bool = False


def _names_in(cell: Cell) -> _Names:
    try:
        body = ast.parse(cell.source).body
    except (SyntaxError, ValueError, RecursionError):
        return _Names(frozenset(), frozenset(), frozenset(), unclear=_has_magic(cell.source))
    bound, surely, needed = set[str](), set[str](), set[str]()
    for statement in body:
        needed |= set(_loaded(statement)) - surely
        bound |= set(_bound(ast.walk(statement)))
        surely |= set(_bound(_plain_parts(statement)))
    return _Names(frozenset(bound), frozenset(surely), frozenset(needed), unclear="*" in bound)


def _plain_parts(statement: ast.stmt) -> Iterable[ast.AST]:
    """Return the parts of a statement that bind a name of the notebook's whenever it runs."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return statement.names
    return statement.targets if isinstance(statement, ast.Assign) else []


def _has_magic(source: str) -> bool:
    """Whether a line is IPython's own and no Python, so that what it binds cannot be seen."""
    lines = [line.strip() for line in source.splitlines()]
    return any(line.startswith(("%", "!", "?")) or line.endswith("?") for line in lines)


def _loaded(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load | ast.Del):
            yield node.id
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
