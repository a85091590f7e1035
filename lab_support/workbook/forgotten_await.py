"""A check that is called without `await` is an error that says so, instead of a cell that looks fine.

Section:
    00, "What the states of a check mean"
"""

from __future__ import annotations

import ast
from typing import Any

MESSAGE = "Nothing was checked: put `await` in front, as in `await {call}`."


class ForgottenAwaitError(Exception):
    """A cell calls `check(...)` without awaiting it."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


class RefuseForgottenAwait(ast.NodeTransformer):
    """Turn a cell that calls `check` without `await` into one that raises `ForgottenAwaitError`."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Look for the first forgotten await of the cell."""
        forgotten = _forgotten(node)
        if forgotten is None:
            return node
        text = MESSAGE.format(call=ast.unparse(forgotten))
        refusal = ast.parse(
            f"raise __import__({__name__!r}, fromlist=['_']).ForgottenAwaitError({text!r}) from None"
        )
        return ast.Module(body=refusal.body, type_ignores=[])


def install(shell: Any) -> None:
    """Refuse forgotten awaits in the cells of an IPython shell; a second call changes nothing."""
    if not any(isinstance(one, RefuseForgottenAwait) for one in shell.ast_transformers):
        shell.ast_transformers.append(RefuseForgottenAwait())


def _forgotten(module: ast.Module) -> ast.Call | None:
    """Return the first statement of the form `check(...)` or `name = check(...)`."""
    for statement in module.body:
        value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "check":
            return value
    return None
