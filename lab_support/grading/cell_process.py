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
from typing import IO, NoReturn

from lab_support.exercises.fresh_process import fork_server_runs, start_fork_server
from lab_support.grading.cells import Shell, run_cell

DRIVERS = ("sqlite.aiosqlite", "postgresql.asyncpg")
FILES = sys.argv[1]
"""A folder that the parent made for the sockets of this process and deletes after it."""
LOADED_AHEAD = ("lab_support.workbook", "lab_support.exercises.preloaded", "lab_support.exercises.judging")


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
    shell = Shell.instance()
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


def _execute_all(shell: Shell, cells: list[dict[str, str]], report: IO[str]) -> None:
    loop = asyncio.new_event_loop()
    for cell in cells:
        _say(report, event="began", cell=cell["id"])
        if loop.is_closed():
            loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        error = run_cell(shell, loop, cell["source"])
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


def _say(report: IO[str], **line: object) -> None:
    report.write(json.dumps(line) + "\n")
    report.flush()


if __name__ == "__main__":
    main()
