"""Run one notebook file outside Jupyter and say what its checks found.

The cells run in a child process, so that student code which loops, exits or floods the output harms only
itself. A cell that ends the process or never ends is left out and the rest is run again, so that every
other exercise still counts.

Section:
    All sections; `lab check` and `lab build --check` use it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_support.exercises import Exercise, State, section, sections
from lab_support.grading.cell_events import CellProcess
from lab_support.grading.ledger import PROGRESS_VARIABLE, VARIABLE, Ledger
from lab_support.grading.records import (
    VerdictRecord,
    record_of_check,
    record_of_error,
    record_of_silent_check,
    record_without_check_cell,
)
from lab_support.notebooks import Cell, Notebook, NotebookError, read_notebook
from lab_support.settings import Settings

CELL_LIMIT_S = 20.0
NOTEBOOK_LIMIT_S = 300.0
START_LIMIT_S = 60.0
SPARE_S = 10.0
LOOK_S = 0.2
Told = Callable[[VerdictRecord], None]
Processes = Callable[[], CellProcess]


class OutdatedRunError(Exception):
    """The notebook was saved again while it ran, so that what is left of the run means nothing."""


def run_notebook(
    path: Path,
    *,
    only: Collection[str] = (),
    limit_s: float = NOTEBOOK_LIMIT_S,
    cell_limit_s: float = CELL_LIMIT_S,
    told: Told | None = None,
    counts: bool = True,
    processes: Processes = CellProcess,
    outdated: Callable[[], bool] = bool,
) -> list[VerdictRecord]:
    """Run a notebook's cells and return one record per exercise, in the section's order.

    Args:
        path: The notebook; it is read and never written.
        only: Exercises to check, or none for all; only the check cells of the others do not run.
        limit_s: Longest the whole notebook may take.
        cell_limit_s: Longest a cell may take, beyond the limit that a check sets itself.
        told: Called with each record as it is found.
        counts: Whether the checks count as the student's progress.
        processes: Gives the process for a round of cells, which ends with the round; it may have been started ahead.
        outdated: Asked every now and then whether to give up.

    Raises:
        NotebookError: The file is no notebook, or holds no exercise of the workbook.
        CellProcessError: The process for the cells could not be started.
        OutdatedRunError: `outdated` said so.
    """
    notebook = read_notebook(path)
    exercises = [exercise for exercise in exercises_of(notebook) if not only or exercise.id in only]
    with tempfile.TemporaryDirectory(prefix="lab-run-") as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        run = _Run(notebook, exercises, ledger, limit_s, cell_limit_s, told, counts, processes, outdated)
        run.to_the_end()
    return [run.records[exercise.id] for exercise in exercises]


def exercises_of(notebook: Notebook) -> list[Exercise]:
    """Return every exercise of the sections that a notebook belongs to, in order.

    Raises:
        NotebookError: It belongs to none.
    """
    numbers = [number for number in notebook.exercise_sections() if number in sections()]
    if not numbers:
        advice = "Open a lab in work/ with `lab open`."
        raise NotebookError(
            notebook.path,
            f"holds no exercise of this workbook: no cell has an id such as 13-1-1-check. {advice}",
        )
    return [exercise for number in numbers for exercise in section(number)]


@dataclass(slots=True)
class _Run:
    """A notebook being run, in as many rounds as it has cells that end the process."""

    notebook: Notebook
    exercises: list[Exercise]
    ledger: Ledger
    limit_s: float
    cell_limit_s: float
    told: Told | None
    counts: bool
    processes: Processes
    outdated: Callable[[], bool]
    records: dict[str, VerdictRecord] = field(default_factory=dict)
    left_out: list[Cell] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def to_the_end(self) -> None:
        ends = time.monotonic() + self.limit_s
        checks = self.notebook.check_cells()
        for exercise in self.exercises:
            if exercise.id not in checks:
                self._record(record_without_check_cell(exercise))
        while self._open() and self._round(ends):
            pass
        for exercise in self._open():
            message = f"The notebook was still running after {self.limit_s:g} s and was stopped."
            self._record(record_of_error(exercise, message, State.TIMED_OUT))

    def _open(self) -> list[Exercise]:
        return [exercise for exercise in self.exercises if exercise.id not in self.records]

    def _cells(self) -> Iterable[Cell]:
        """Yield what is still to run: everything but cells left out and check cells that are not wanted."""
        wanted = {exercise.id for exercise in self._open()}
        for cell in self.notebook.code():
            is_check = cell.name is not None and cell.name.role == "check"
            if cell not in self.left_out and (
                not is_check or cell.name is None or cell.name.exercise in wanted
            ):
                yield cell

    def _round(self, ends: float) -> bool:
        """Run what is left in one process; return whether another round is worth while."""
        cells = list(self._cells())
        environment = {
            VARIABLE: str(self.ledger.path),
            PROGRESS_VARIABLE: "on" if self.counts else "off",
            "LAB_HOME": str(Settings().lab_home.resolve()),
        }
        with self.processes() as process:
            folder = self.notebook.path.resolve().parent
            process.begin(cells, folder, environment, start_limit_s=START_LIMIT_S)
            for cell in cells:
                ended = self._run_cell(process, cell, ends)
                if ended is not None:
                    self._leave_out(cell, ended)
                    return time.monotonic() < ends
                if not self._open():
                    return False
        return False

    def _run_cell(self, process: CellProcess, cell: Cell, ends: float) -> State | None:
        """Wait for a cell to end; return how it took the process with it, or None when it did not."""
        cell_ends = min(ends, time.monotonic() + self._limit(cell))
        while True:
            try:
                event = self._next_event(process, cell_ends)
            except TimeoutError:
                self._take_check(cell, None)
                return State.TIMED_OUT
            if event is None:
                self._take_check(cell, None)
                return State.ERROR
            if event.get("event") == "ended":
                self._take_check(cell, event)
                return None

    def _next_event(self, process: CellProcess, ends: float) -> dict[str, Any] | None:
        """Wait for the process to report, and look up now and then."""
        while True:
            if self.outdated():
                raise OutdatedRunError(self.notebook.path)
            left = ends - time.monotonic()
            try:
                return process.next_event(min(left, LOOK_S))
            except TimeoutError:
                if left <= LOOK_S:
                    raise

    def _limit(self, cell: Cell) -> float:
        exercise = self._exercise_of(cell)
        is_check = cell.name is not None and cell.name.role == "check"
        return exercise.limit_s + SPARE_S if exercise is not None and is_check else self.cell_limit_s

    def _exercise_of(self, cell: Cell) -> Exercise | None:
        name = cell.name
        return next((one for one in self.exercises if name is not None and one.id == name.exercise), None)

    def _take_check(self, cell: Cell, ended: dict[str, Any] | None) -> None:
        """Read what a cell left in the ledger; a check cell that ended without a line is recorded as such."""
        lines = self.ledger.new_lines(ended.get("ledger") if ended else None)
        exercise = self._exercise_of(cell)
        error = ended.get("error") if ended else None
        if exercise is None or cell.name is None:
            return
        if cell.name.role != "check":
            if error:
                self.errors[exercise.id] = error
            return
        own = [line for line in lines if line["exercise"] == exercise.id]
        if own:
            self._record(record_of_check(exercise, own[-1]))
        elif ended is not None and error:
            self._record(record_of_error(exercise, self.errors.get(exercise.id, error)))
        elif ended is not None:
            self._record(record_of_silent_check(exercise))

    def _leave_out(self, cell: Cell, state: State) -> None:
        """Blame a cell that took the process with it."""
        self.left_out.append(cell)
        exercise = self._exercise_of(cell)
        if exercise is None or exercise.id in self.records:
            return
        what = "ended the process" if state is State.ERROR else "was still running when its time was up"
        message = f"Your code in cell {cell.id} {what}. Take out what exits or never ends, and check again."
        self._record(record_of_error(exercise, message, state))

    def _record(self, record: VerdictRecord) -> None:
        self.records[record.exercise] = record
        if self.told is not None:
            self.told(record)
