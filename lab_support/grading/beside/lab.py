"""Judge a lab whose cells run in another process: each check where the notebook has it, between the same cells.

Section:
    All sections; class grading.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab_support.exercises import Exercise, State, Verdict
from lab_support.exercises.judging import FIRST_SEED, judge_on
from lab_support.exercises.registry import find
from lab_support.exercises.verdict import CaseResult
from lab_support.grading.beside.json_lines import JsonLines, LinkError
from lab_support.grading.beside.student_side import StudentSide
from lab_support.grading.records import VerdictRecord, record_of_check, record_of_error
from lab_support.notebooks import Cell

CELLS_LIMIT_S = 20.0


class Process(Protocol):
    """A process that serves a judge (`student_process.serve`)."""

    link: JsonLines

    def kill(self) -> None:
        """End it, and all it has started."""
        ...


Spawn = Callable[[], AbstractContextManager[Process]]
"""Starts a process that has run nothing yet; it is ended when the block is left."""


def judge_lab(
    cells: Sequence[Cell],
    spawn: Spawn,
    folder: Path,
    *,
    only: Collection[str] = (),
    seed: int = FIRST_SEED,
    cells_limit_s: float = CELLS_LIMIT_S,
    told: Callable[[VerdictRecord], None] | None = None,
) -> list[VerdictRecord]:
    """Run the cells and judge each exercise at its check cell.

    A cell or a check that takes the process with it is left out, and the rest goes on in another process that has
    run the same cells.

    Args:
        cells: Of a lab, in order: the package's own, with the student's work in its place.
        spawn: Starts a process for the cells.
        folder: Where the judge puts fresh databases, in reach of that process.
        only: Exercises to judge, or none for all.
        seed: Fixes all that the judge draws.
        cells_limit_s: The longest that the cells between two checks may take.
        told: Called with each record as it is found.

    Returns:
        One record for each check cell, in their order.
    """
    lab = _Lab(spawn, folder, seed, cells_limit_s)
    records = []
    with lab:
        for cell in cells:
            name = cell.name
            if name is None or name.role != "check":
                lab.add(cell)
            elif not only or name.exercise in only:
                records.append(lab.judge(find(name.exercise)))
                if told is not None:
                    told(records[-1])
    return records


@dataclass(slots=True)
class _Lab:
    """A process, and the cells that belong before the next check."""

    spawn: Spawn
    folder: Path
    seed: int
    cells_limit_s: float
    cells: list[Cell] = field(default_factory=list)
    waiting: list[Cell] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    process: Process | None = None

    def __enter__(self) -> _Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def add(self, cell: Cell) -> None:
        self.waiting.append(cell)

    def judge(self, exercise: Exercise) -> VerdictRecord:
        """Run the cells that wait, and judge the exercise; blame the cell that took the process with it."""
        while self.waiting:
            cell = self.waiting.pop(0)
            ended = self._run(cell)
            if ended is not None and self._is_of(cell, exercise):
                what = (
                    "ended the process" if ended is State.ERROR else "was still running when its time was up"
                )
                return record_of_error(exercise, f"Your code in cell {cell.id} {what}.", ended)
        missing = self._missing(exercise)
        if missing and (error := self.errors.get(exercise.id)):
            return record_of_error(exercise, error)
        if missing:
            return record_of_check(exercise, _not_attempted(exercise, missing[0]).as_dict())
        return self._judge(exercise)

    def _run(self, cell: Cell) -> State | None:
        """Run one cell; give how it took the process with it, or None when it did not."""
        try:
            ran = self._ask({"do": "cells", "cells": {cell.id: cell.source}})
        except TimeoutError:
            self._lose()
            return State.TIMED_OUT
        except LinkError:
            self._lose()
            return State.ERROR
        self.cells.append(cell)
        error = (ran.get("errors") or {}).get(cell.id)
        if isinstance(error, str) and cell.name is not None:
            self.errors[cell.name.exercise] = error
        return None

    def _missing(self, exercise: Exercise) -> list[str]:
        try:
            there = self._ask({"do": "which", "names": list(exercise.student_writes)}).get("names")
        except (LinkError, TimeoutError):
            self._lose()
            there = None
        return [name for name in exercise.student_writes if name not in (there or ())]

    def _judge(self, exercise: Exercise) -> VerdictRecord:
        process = self._current()
        side = StudentSide(exercise, process.link, self._fresh, process.kill)
        verdict = judge_on(side, exercise, self.folder, seed=self.seed)
        try:
            _now(side.end(), self.cells_limit_s)
        except Exception:  # it was stopped, or has ended: the next check gets another one
            self._lose()
        return record_of_check(exercise, verdict.as_dict())

    def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        link = self._current().link

        async def ask() -> dict[str, Any]:
            await link.send(line)
            return await link.receive()

        answer: dict[str, Any] = _now(ask(), self.cells_limit_s)
        return answer

    def _current(self) -> Process:
        """Give the process, a new one that has run the same cells if the last one is gone."""
        if self.process is None:
            self.process = self.stack.enter_context(self.spawn())
            again = {cell.id: cell.source for cell in self.cells}
            if again:
                _now(_run_again(self.process.link, again), self.cells_limit_s)
        return self.process

    @asynccontextmanager
    async def _fresh(self) -> AsyncIterator[JsonLines]:
        with self.spawn() as process:
            await _run_again(process.link, {cell.id: cell.source for cell in self.cells})
            yield process.link

    def _lose(self) -> None:
        if self.process is not None:
            self.process.kill()
        self.stack.close()
        self.stack, self.process = ExitStack(), None

    def _is_of(self, cell: Cell, exercise: Exercise) -> bool:
        return cell.name is not None and cell.name.exercise == exercise.id


async def _run_again(link: JsonLines, cells: dict[str, str]) -> None:
    await link.send({"do": "cells", "cells": cells})
    await link.receive()


def _now(work: Any, limit_s: float) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(limit_s):
            return await work

    return asyncio.run(bounded())


def _not_attempted(exercise: Exercise, name: str) -> Verdict:
    message = f"Exercise {exercise.id} is not attempted yet: `{name}` is still the starter's."
    return Verdict(
        exercise.id, exercise.title, (CaseResult(exercise.title, State.NOT_ATTEMPTED, message=message),)
    )
