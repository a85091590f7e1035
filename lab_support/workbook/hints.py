"""Hints in three stages, and the reference solution after a pass or a recorded give-up.

Section:
    All sections.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from lab_support.exercises import UnknownExerciseError, find
from lab_support.exercises.registry import STEMS
from lab_support.settings import workbook_root
from lab_support.workbook.checking import CheckMisusedError, counts_as_progress
from lab_support.workbook.progress_store import default_store

REGION = re.compile(
    r"^[ \t]*### BEGIN SOLUTION[ \t]*\n(.*?)^[ \t]*### END SOLUTION[ \t]*$", re.MULTILINE | re.DOTALL
)


class HelpText(str):
    """Text that a notebook shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the text itself."""
        return str(self)


def hint(exercise_id: str) -> HelpText:
    """Return the next hint of an exercise; the last one stays once all are taken.

    Raises:
        CheckMisusedError: There is no such exercise.
    """
    try:
        exercise = find(exercise_id)
    except UnknownExerciseError as error:
        raise CheckMisusedError(str(error)) from None
    store, total = default_store(), len(exercise.hints)
    stage = min(store.hints_taken(exercise.id) + 1, total)
    if counts_as_progress():
        store.record_hint(exercise.id, stage)
    more = (
        f"Ask again for hint {stage + 1}."
        if stage < total
        else f'After this: solution("{exercise.id}", give_up=True).'
    )
    return HelpText(f"Hint {stage} of {total} for {exercise.id}: {exercise.hints[stage - 1]}\n{more}")


def solution(exercise_id: str, *, give_up: bool = False) -> HelpText:
    """Return the reference solution, once you have passed or said `give_up=True`.

    Raises:
        CheckMisusedError: There is no such exercise, it is not passed yet, or the solutions are not at hand.
    """
    try:
        exercise = find(exercise_id)
    except UnknownExerciseError as error:
        raise CheckMisusedError(str(error)) from None
    store = default_store()
    if give_up and counts_as_progress() and not store.passed(exercise.id):
        store.record_give_up(exercise.id)
    if not (store.passed(exercise.id) or store.gave_up(exercise.id)):
        raise CheckMisusedError(
            f'{exercise.id} is not passed yet. A hint may be enough: hint("{exercise.id}"). '
            f'To see the solution all the same: solution("{exercise.id}", give_up=True); it is recorded.'
        )
    return HelpText(reference_source(exercise.id))


def reference_source(exercise_id: str) -> str:
    """Return the work cell of an exercise from the solutions notebook, without its markers.

    Raises:
        CheckMisusedError: The notebook is missing or has no such cell.
    """
    section = exercise_id.rpartition(".")[0]
    path = workbook_root() / "solutions" / f"{STEMS[section]}.ipynb"
    wanted = f"{exercise_id.replace('.', '-')}-work"
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        source = next("".join(cell["source"]) for cell in cells if cell.get("id") == wanted)
    except (OSError, ValueError, KeyError, StopIteration):
        raise CheckMisusedError(
            f"The solution of {exercise_id} is not at hand: no cell {wanted} in {_shown(path)}."
        ) from None
    return REGION.sub(lambda found: found.group(1).rstrip("\n"), source)


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
