"""How a notebook could pass nbval without its checks: each way is a finding.

Section:
    All sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_support.exercises import Exercise, section, sections
from lab_support.exercises.registry import STEMS
from lab_support.notebooks import Cell, Notebook

LAB_FOLDERS = ("labs", "solutions", "work")
LESSON_FOLDER = "notebooks"
_CHECK_CALL = re.compile(r"""^\s*await\s+check\(\s*["'](\d+\.\d+)\.\d+["']""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CellRun:
    """How nbval saw a cell end, and the verdicts that checks recorded meanwhile.

    Attributes:
        outcome: `passed`, `failed` or `skipped`.
    """

    cell: str
    outcome: str
    verdicts: tuple[Mapping[str, Any], ...] = ()


def findings(notebook: Notebook, runs: Sequence[CellRun]) -> Iterator[str]:
    """Yield what nbval let pass and should not have; nothing for notebooks that are not the workbook's."""
    numbers = sections_checked_in(notebook)
    if numbers:
        for number in numbers:
            for exercise in section(number):
                yield from _exercise_findings(exercise, notebook, runs)
    elif _is_lesson(notebook):
        for cell in notebook.code():
            if cell.skip_mark:
                shown = cell.id or "(without id)"
                yield f"Cell {shown} of a lesson is not really run: it has {cell.skip_mark}. Remove it."


def sections_checked_in(notebook: Notebook) -> tuple[str, ...]:
    """Return the sections whose checks the notebook owes, by cell ids, `check` calls, or name and folder."""
    if notebook.path.parent.name == LESSON_FOLDER:
        return ()
    numbers = dict.fromkeys(notebook.exercise_sections())
    for cell in notebook.code():
        numbers |= dict.fromkeys(_CHECK_CALL.findall(cell.source))
    if notebook.path.parent.name in LAB_FOLDERS:
        numbers |= {number: None for number, stem in STEMS.items() if notebook.path.stem == stem}
    return tuple(number for number in numbers if number in sections())


def _is_lesson(notebook: Notebook) -> bool:
    return notebook.path.parent.name == LESSON_FOLDER or notebook.is_of_the_workbook()


def _exercise_findings(exercise: Exercise, notebook: Notebook, runs: Sequence[CellRun]) -> Iterator[str]:
    cell = notebook.check_cells().get(exercise.id)
    mend = f"Put it back with `lab reset {exercise.id}`."
    if cell is None:
        yield f"{exercise.id}: there is no cell {exercise.id.replace('.', '-')}-check. {mend}"
    elif cell.skip_mark:
        yield f"{exercise.id}: the check cell has {cell.skip_mark}, so it proves nothing. Remove it."
    else:
        yield from _run_findings(exercise, cell, runs, mend)


def _run_findings(exercise: Exercise, cell: Cell, runs: Sequence[CellRun], mend: str) -> Iterator[str]:
    ran = next((run for run in reversed(runs) if run.cell == cell.id), None)
    if ran is None or ran.outcome == "skipped":
        advice = "Run the whole notebook, with `--dist loadfile` under xdist."
        yield f"{exercise.id}: the check cell was not run. {advice}"
    elif ran.outcome == "passed":
        own = [verdict for verdict in ran.verdicts if verdict.get("exercise") == exercise.id]
        if not own:
            changed = "it was changed, or `check` redefined"
            yield f"{exercise.id}: the check cell ran, but no check did: {changed}. {mend}"
        elif own[-1].get("state") != "passed":
            yield f"{exercise.id}: {own[-1].get('state')}, though the cell raised nothing. {mend}"
