"""The process that executes cells, seen from its parent: start it, hear its reports, end all it started.

Section:
    All sections.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lab_support.notebooks import Cell

LAST_WORDS_S = 2.0
DRIVERS, FORK_SERVER = "--drivers", "--fork-server"
MODULE = "lab_support.grading.cell_process"


class CellProcessError(Exception):
    """The process that executes cells could not be started; the text says why."""


class CellProcess:
    """A child process that executes cells; it and all it started are killed when the block is left.

    Args:
        options: What to do ahead of time that only some exercises need: `DRIVERS`, `FORK_SERVER`.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self.needed_fork_server = False

    def __enter__(self) -> CellProcess:
        """Start the process, if `start` has not yet."""
        self.start()
        return self

    def start(self) -> None:
        """Start the process and return at once; it loads the libraries meanwhile."""
        if self._process is not None:
            return
        self._files = tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", MODULE, self._files.name, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name="cell-events", daemon=True)
        self._listener.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process group and remove its temporary files."""
        if self._process is None:
            return
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._listener.join(LAST_WORDS_S)
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._errors.close()
        self._files.cleanup()

    def begin(
        self, cells: Iterable[Cell], folder: Path, environment: Mapping[str, str], *, start_limit_s: float
    ) -> None:
        """Wait for the libraries to be loaded, then send the process the cells, as if run in `folder`.

        Raises:
            CellProcessError: It ended or took too long; the text has the last line it wrote.
        """
        self.wait_until_ready(start_limit_s)
        job = {
            "cells": [{"id": cell.id, "source": cell.source} for cell in cells],
            "folder": str(folder),
            "environment": dict(environment),
        }
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(job).encode() + b"\n")
                self._process.stdin.flush()

    @property
    def has_ended(self) -> bool:
        """Whether the process was started and is gone."""
        return self._process is not None and self._process.poll() is not None

    def next_event(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next report; None when the process has ended.

        Raises:
            TimeoutError: Nothing was reported in that time.
        """
        try:
            return self._events.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            raise TimeoutError from None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the process to be ready for its job.

        Raises:
            CellProcessError: It ended or took too long; the text has the last line it wrote.
        """
        if self._is_ready:
            return
        with contextlib.suppress(TimeoutError):
            self._is_ready = self.next_event(timeout_s) is not None
        if not self._is_ready:
            raise self._why_it_did_not_start()

    def _why_it_did_not_start(self) -> CellProcessError:
        status = "it was never started"
        if self._process is not None:
            self._process.kill()
            status = f"exit status {self._process.wait()}"
        self._errors.seek(0)
        lines = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else status
        return CellProcessError(
            f"The process that runs notebooks did not start: {said}. `lab doctor` says what is missing."
        )

    def _listen(self) -> None:
        stdout = self._process.stdout if self._process is not None else None
        with stdout or contextlib.nullcontext(()) as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        self.needed_fork_server |= bool(event.get("forks"))
                        self._events.put(event)
        self._events.put(None)
