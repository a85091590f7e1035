"""Run one cell as a kernel does, in this process.

Section:
    All sections.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

SHOWN_CHARACTERS = 400


class Shell(InteractiveShell):
    """IPython without a terminal: `exit()` and `quit()` do nothing, for there is nobody to ask."""

    def ask_exit(self) -> None:
        """Go on."""


def run_cell(shell: Shell, loop: asyncio.AbstractEventLoop, source: str) -> str | None:
    """Run one cell on the loop, as a kernel does; return its error in one line, or None."""
    try:
        result = loop.run_until_complete(_run_cell(shell, source))
    except BaseException as error:
        return _one_line(error)
    raised = result.error_before_exec or result.error_in_exec
    return None if raised is None else _one_line(raised)


async def _run_cell(shell: Shell, source: str) -> Any:
    transformed, preprocessing = source, None
    try:
        transformed = shell.transform_cell(source)  # type: ignore[no-untyped-call]
    except Exception:
        preprocessing = sys.exc_info()
    return await shell.run_cell_async(
        source, store_history=False, transformed_cell=transformed, preprocessing_exc_tuple=preprocessing
    )


def _one_line(error: BaseException) -> str:
    line = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
    said = error.msg if isinstance(error, SyntaxError) else str(error).strip().partition("\n")[0]
    name = type(error).__name__
    return (f"{name}: {said}{line}" if said else name)[:SHOWN_CHARACTERS]
