"""Processes for cells that are started ahead of time, so that a run begins at once.

Each run still has a process of its own, in which nothing ran before: the same as a cold run's, only started
earlier. So the two agree on every platform, and none of fork's traps (threads, open connections) can matter.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

from types import TracebackType

from lab_support.grading.cell_events import DRIVERS, FORK_SERVER, CellProcess


class WarmProcesses:
    """Keeps one process ready while the block runs; `refill` starts the next one."""

    def __init__(self) -> None:
        self._spare: CellProcess | None = None
        self._last: CellProcess | None = None
        self._options = [DRIVERS]

    def __enter__(self) -> WarmProcesses:
        """Start the first process."""
        self.refill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process that waits."""
        if self._spare is not None:
            self._spare.__exit__(kind, error, trace)
            self._spare = None

    def take(self) -> CellProcess:
        """Give away the process that waits, or a new one where none does; the taker ends it."""
        taken, self._spare = self._spare, None
        if taken is not None and taken.has_ended:
            taken.__exit__(None, None, None)
            taken = None
        self._last = taken or CellProcess(*self._options)
        return self._last

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for the process that waits to have loaded its libraries.

        Raises:
            CellProcessError: It ended or took too long.
        """
        if self._spare is not None:
            self._spare.wait_until_ready(timeout_s)

    def refill(self) -> None:
        """Start the next process, unless one waits; a server that the last one came to need is started with it."""
        if self._last is not None and self._last.needed_fork_server and FORK_SERVER not in self._options:
            self._options.append(FORK_SERVER)
        if self._spare is None:
            self._spare = CellProcess(*self._options)
            self._spare.start()
