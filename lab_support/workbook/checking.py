"""`await check("13.1.2", get_session)`: judge an exercise from a notebook cell, and say what was found.

Section:
    All sections.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

from lab_support.exercises import Exercise, State, UnknownExerciseError, Verdict, find
from lab_support.workbook.cards import card
from lab_support.workbook.progress_store import default_store

LEDGER_VARIABLE = "LAB_CHECK_LEDGER"
PROGRESS_VARIABLE = "LAB_PROGRESS"
"""`off` where authors and instructors run other people's notebooks."""


class CheckFailed(Exception):  # noqa: N818 - it is the verdict, and reads as one
    """A check that did not pass; its text is the card.

    Attributes:
        verdict: What the judge found.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(card(verdict))
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        return card(self.verdict, colour=True).splitlines()


class CheckMisusedError(Exception):
    """`check` was called in a way that cannot be judged; the text says how to call it."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class PendingCheck:
    """A check that runs when it is awaited, and only then."""

    def __init__(self, exercise: Exercise, objects: tuple[object, ...]) -> None:
        self._exercise, self._objects, self._awaited = exercise, objects, False

    def __await__(self) -> Generator[Any, None, None]:
        """Judge, record, and print the verdict.

        Raises:
            CheckFailed: The verdict is anything but passed.
        """
        self._awaited = True
        return self._run().__await__()

    async def _run(self) -> None:
        from lab_support.exercises import judge  # not before it is needed: it brings drivers and processes

        verdict = judge(self._exercise, dict(zip(self._exercise.student_writes, self._objects, strict=True)))
        record(verdict)
        if not verdict.passed:
            raise CheckFailed(verdict) from None
        print(card(verdict))  # noqa: T201 - the cell's answer

    def __repr__(self) -> str:
        """Say that nothing was checked."""
        return f"Not checked: put `await` in front of {self._call()}."

    def _call(self) -> str:
        return f'check("{self._exercise.id}", {", ".join(self._exercise.student_writes)})'

    def __del__(self) -> None:
        """Warn when the check was dropped without being awaited."""
        if not self._awaited:
            warnings.warn(repr(self), RuntimeWarning, stacklevel=2)


def check(exercise_id: str, *objects: object) -> PendingCheck:
    """Prepare a check of your work, which runs when it is awaited.

    Args:
        exercise_id: As in `13.1.2`.
        objects: What the exercise asked you to write, in the order of its check cell.

    Raises:
        CheckMisusedError: There is no such exercise, or the number of objects is not the one it asks for.
    """
    try:
        exercise = find(exercise_id)
    except UnknownExerciseError as error:
        raise CheckMisusedError(str(error)) from None
    if len(objects) != len(exercise.student_writes):
        names = ", ".join(exercise.student_writes)
        raise CheckMisusedError(
            f'Exercise {exercise_id} is checked with `await check("{exercise_id}", {names})`; '
            f"{len(objects)} object(s) were given."
        )
    return PendingCheck(exercise, objects)


def counts_as_progress() -> bool:
    """Whether what is done here is the student's own: `LAB_PROGRESS=off` says that it is not."""
    return os.environ.get(PROGRESS_VARIABLE) != "off"


def record(verdict: Verdict) -> None:
    """Keep a verdict in the student's progress, and in the ledger that nbval and `lab check` read.

    Where authors and instructors run other people's notebooks, `LAB_PROGRESS=off` keeps them out of the progress.
    """
    if counts_as_progress():
        cause = verdict.cause.name if verdict.cause else None
        default_store().record_attempt(verdict.exercise, verdict.state.value, cause, verdict.ms)
    ledger = os.environ.get(LEDGER_VARIABLE)
    if ledger:
        with Path(ledger).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(verdict.as_dict(), default=str) + "\n")


__all__ = ["LEDGER_VARIABLE", "CheckFailed", "CheckMisusedError", "PendingCheck", "State", "check", "record"]
