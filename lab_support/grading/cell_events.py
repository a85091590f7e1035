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
MODULE = "lab_support.grading.cell_process"


class CellProcessError(Exception):
    """The process that executes cells could not be started; the text says why."""


class CellProcess:
    """A child process that executes cells; it and its own children are killed when the block is left."""

    def __init__(self, cells: Iterable[Cell], folder: Path, environment: Mapping[str, str]) -> None:
        self._job = json.dumps({"cells": [{"id": cell.id, "source": cell.source} for cell in cells]}) + "\n"
        self._folder, self._environment = folder, {**os.environ, **environment}
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> CellProcess:
        """Start the process."""
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._folder,
            env=self._environment,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name="cell-events", daemon=True)
        self._listener.start()
        self._lifeline = self._process.stdin
        if self._lifeline is not None:
            with contextlib.suppress(BrokenPipeError):
                self._lifeline.write(self._job.encode())
                self._lifeline.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process group."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._listener.join(LAST_WORDS_S)
        with contextlib.suppress(OSError):
            if self._lifeline is not None:
                self._lifeline.close()
        self._errors.close()

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
        """Wait for the process to be ready for its first cell.

        Raises:
            CellProcessError: It ended or took too long; the text has the last line it wrote.
        """
        try:
            if self.next_event(timeout_s) is not None:
                return
        except TimeoutError:
            self._process.kill()
        raise self._why_it_did_not_start()

    def _why_it_did_not_start(self) -> CellProcessError:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit status {self._process.returncode}"
        return CellProcessError(
            f"The process that runs notebooks did not start: {said}. `lab doctor` says what is missing."
        )

    def _listen(self) -> None:
        stdout = self._process.stdout
        with stdout or contextlib.nullcontext(()) as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        self._events.put(event)
        self._events.put(None)
