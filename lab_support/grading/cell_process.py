"""The child process that executes a notebook's cells, as a kernel would; started by `runner`, never imported.

It reads its job from standard input as JSON, reports on standard output one JSON line when a cell begins
and one when it ends, and sends everything the cells print nowhere. It knows nothing of verdicts: checks
write their own ledger.

Section:
    All sections.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from typing import IO, Any

from IPython.core.interactiveshell import InteractiveShell

SHOWN_CHARACTERS = 400


class _Shell(InteractiveShell):
    """IPython without a terminal: `exit()` and `quit()` do nothing, for there is nobody to ask."""

    def ask_exit(self) -> None:
        """Go on."""


def main() -> None:
    """Execute the cells of the job in order, whatever each of them does to the next."""
    job = json.loads(sys.stdin.readline())
    report = _take_over_descriptors()
    sys.path.insert(0, "")  # as in a kernel; only now, so that no file of the student's hides a module above
    shell = _Shell.instance()
    loop = asyncio.new_event_loop()
    _say(report, event="ready")
    for cell in job["cells"]:
        _say(report, event="began", cell=cell["id"])
        if loop.is_closed():
            loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        error = _execute(shell, loop, cell["source"])
        _say(report, event="ended", cell=cell["id"], error=error)
    _say(report, event="done")
    os._exit(0)


def _take_over_descriptors() -> IO[str]:
    """Keep the pipes to the parent, and point the standard descriptors nowhere."""
    threading.Thread(target=_die_with_parent, args=(os.dup(0),), name="parent-watch", daemon=True).start()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return report


def _die_with_parent(pipe: int) -> None:
    """Wait for the parent to end, however it does, and end this process and all it started."""
    os.read(pipe, 1)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


def _execute(shell: _Shell, loop: asyncio.AbstractEventLoop, source: str) -> str | None:
    """Run one cell on the loop, as a kernel does; return its error in one line, or None."""
    try:
        result = loop.run_until_complete(_run_cell(shell, source))
    except BaseException as error:
        return _one_line(error)
    raised = result.error_before_exec or result.error_in_exec
    return None if raised is None else _one_line(raised)


async def _run_cell(shell: _Shell, source: str) -> Any:
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


def _say(report: IO[str], **line: object) -> None:
    report.write(json.dumps(line) + "\n")
    report.flush()


if __name__ == "__main__":
    main()
