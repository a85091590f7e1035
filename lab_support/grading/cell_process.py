"""The child process that executes a notebook's cells, as a kernel would; started by `runner`, never imported.

It loads the libraries, says that it is ready, and waits for its one job: a line of JSON on standard input. It
reports on standard output one JSON line when a cell begins and one when it ends, and sends everything the cells
print nowhere. It knows nothing of verdicts: checks write their own ledger. A process may wait for its job as long
as it likes, and does it as one that was started for the job would.

Section:
    All sections.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any, NoReturn

from IPython.core.interactiveshell import InteractiveShell

from lab_support.exercises.fresh_process import fork_server_runs, start_fork_server

SHOWN_CHARACTERS = 400
DRIVERS = ("sqlite.aiosqlite", "postgresql.asyncpg")
FILES = sys.argv[1]
"""A folder that the parent made for the sockets of this process and deletes after it."""
LOADED_AHEAD = ("lab_support.workbook", "lab_support.exercises.preloaded", "lab_support.exercises.judging")


class _Shell(InteractiveShell):
    """IPython without a terminal: `exit()` and `quit()` do nothing, for there is nobody to ask."""

    def ask_exit(self) -> None:
        """Go on."""


def main() -> None:
    """Wait for the job, and execute its cells in order, whatever each of them does to the next."""
    report = _keep_for_reports()
    multiprocessing.current_process()._config["tempdir"] = FILES  # type: ignore[attr-defined]  # noqa: SLF001
    for module in LOADED_AHEAD:
        importlib.import_module(module)
    if "--drivers" in sys.argv:
        for driver in filter(_is_installed, DRIVERS):
            importlib.import_module(f"sqlalchemy.dialects.{driver}")
    if "--fork-server" in sys.argv:
        start_fork_server()
    shell = _Shell.instance()
    _say(report, event="ready")
    line = sys.stdin.readline()
    if not line:
        _end()
    job = json.loads(line)
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    _leave_standard_descriptors()
    sys.path.insert(0, "")  # as in a kernel; only now, so that no file of the student's hides a module above
    _execute_all(shell, job["cells"], report)
    os._exit(0)


def _is_installed(driver: str) -> bool:
    name = driver.rpartition(".")[2]
    return importlib.util.find_spec(name) is not None and bool(importlib.import_module(name))


def _execute_all(shell: _Shell, cells: list[dict[str, str]], report: IO[str]) -> None:
    loop = asyncio.new_event_loop()
    for cell in cells:
        _say(report, event="began", cell=cell["id"])
        if loop.is_closed():
            loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        error = _execute(shell, loop, cell["source"])
        _say(
            report,
            event="ended",
            cell=cell["id"],
            error=error,
            forks=fork_server_runs(),
            ledger=_ledger_size(),
        )
    _say(report, event="done")


def _ledger_size() -> int:
    """Return how much of the ledger was written before this moment, so that the parent reads no further."""
    try:
        return Path(os.environ["LAB_CHECK_LEDGER"]).stat().st_size
    except (KeyError, OSError):
        return 0


def _keep_for_reports() -> IO[str]:
    """Keep the pipe to the parent for reports alone; what a library prints goes nowhere."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    _point_nowhere(1)
    return report


def _leave_standard_descriptors() -> None:
    """Point what is left of them nowhere; from here on, the parent's pipe only tells whether it lives."""
    threading.Thread(target=_die_with_parent, args=(os.dup(0),), name="parent-watch", daemon=True).start()
    _point_nowhere(0, 2)


def _point_nowhere(*descriptors: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _die_with_parent(pipe: int) -> None:
    """Wait for the parent to end, however it does, and end this process and all it started."""
    os.read(pipe, 1)
    _end()


def _end() -> NoReturn:
    """End this process and all it started, and remove its sockets, for nobody else will."""
    shutil.rmtree(FILES, ignore_errors=True)
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
