"""Cut the solution out of a cell: what stands between the markers becomes the student's blank.

Section:
    All sections.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
BLANK = "# your code here"


class RegionError(ValueError):
    """The markers of a cell do not pair up, or a region is not whole Python; the text says where."""


def has_region(source: str) -> bool:
    """Whether a marker stands in the source."""
    return any(line.strip() in (BEGIN, END) for line in source.splitlines())


def blank_source(source: str) -> str:
    """Return the source with every solution region replaced by its blank.

    A region at the left margin becomes `name = ...` for each public name it defines; an indented one, a
    `raise NotImplementedError`. Both are what the judge calls "not attempted".

    Raises:
        RegionError: Markers are nested, unclosed or unopened, or a region is not whole Python.
    """
    return "\n".join(_blanked(source.splitlines()))


def _blanked(lines: list[str]) -> Iterator[str]:
    region: list[str] | None = None
    indent, opened = "", 0
    for number, line in enumerate(lines, 1):
        marker = line.strip()
        if marker == BEGIN:
            if region is not None:
                raise RegionError(f"line {number} opens a solution inside the one that line {opened} opened")
            region, indent, opened = [], line[: len(line) - len(line.lstrip())], number
        elif marker == END:
            if region is None:
                raise RegionError(f"line {number} ends a solution that no line opened")
            yield from _blank(region, indent, opened)
            region = None
        elif region is None:
            yield line
        else:
            region.append(line)
    if region is not None:
        raise RegionError(f"the solution that line {opened} opens is never ended")


def _blank(region: list[str], indent: str, opened: int) -> Iterator[str]:
    if indent:
        yield f"{indent}raise NotImplementedError  {BLANK}"
        return
    names = _public_names("\n".join(region), opened)
    yield from (f"{name} = ...  {BLANK}" for name in names) if names else (BLANK,)


def _public_names(source: str, opened: int) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise RegionError(
            f"the solution that line {opened} opens is not whole Python ({error.msg})"
        ) from None
    names = [name for statement in body for name in _defined_by(statement)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def _defined_by(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            yield from (part.id for part in parts if isinstance(part, ast.Name))
