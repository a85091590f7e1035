"""Whether every exercise arrives complete, and every notebook names only exercises that are there.

Section:
    All sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lab_support.authoring.findings import Finding
from lab_support.authoring.regions import BEGIN
from lab_support.authoring.stored_answers import FOLDER, stored_answers
from lab_support.exercises import Exercise, load_all
from lab_support.exercises.registry import STEMS
from lab_support.notebooks import Notebook, NotebookError, read_notebook

HINTS = 3
FEWEST_TRAPS = 2
_EXERCISE_ID = re.compile(r"(?<![\d.])13\.\d{1,2}\.\d{1,2}(?![\d.]*\d)")


def declaration_findings(root: Path, exercise: Exercise) -> Iterator[Finding]:
    """Yield what an exercise lacks: hints, stored answers, a solution."""
    if len(exercise.hints) != HINTS:
        yield Finding(
            exercise.id, f"it has {len(exercise.hints)} hints, and {HINTS} are needed", "Write them."
        )
    if not exercise.scenarios:
        yield Finding(exercise.id, "no scenario judges it", "Add a scenario and its calm partner.")
    yield from _stored_answer_findings(root, exercise)
    yield from _solution_findings(root, exercise)


def _stored_answer_findings(root: Path, exercise: Exercise) -> Iterator[Finding]:
    answers = stored_answers(root, exercise)
    traps = {answer.name for answer in answers if answer.kind == "trap"}
    declared = {known.name for known in exercise.misconceptions}
    folder = f"{FOLDER.as_posix()}/{STEMS[exercise.section]}/{exercise.id.replace('.', '_')}"
    if len(traps) < FEWEST_TRAPS:
        problem = f"it has {len(traps)} trap(s), and at least {FEWEST_TRAPS} are needed"
        yield Finding(exercise.id, problem, f"Add {folder}/trap_….py.")
    if all(answer.kind != "right" for answer in answers):
        yield Finding(exercise.id, "it has no right variant", f"Add {folder}/right_….py.")
    for name in sorted(declared - traps):
        yield Finding(exercise.id, f"no trap shows {name}", f"Add {folder}/trap_{name.replace('-', '_')}.py.")
    for name in sorted(traps - declared):
        problem = f"the trap {name} is no misconception of the exercise"
        yield Finding(exercise.id, problem, "Declare it, or rename the file.")


def _solution_findings(root: Path, exercise: Exercise) -> Iterator[Finding]:
    solution = root / "solutions" / f"{STEMS[exercise.section]}.ipynb"
    shown = f"solutions/{solution.name}"
    try:
        cells = read_notebook(solution).cells
    except NotebookError:
        yield Finding(
            exercise.id, f"its solution cannot be read from {shown}", "Write or mend that notebook."
        )
        return
    named = {cell.name.role: cell for cell in cells if cell.name and cell.name.exercise == exercise.id}
    for role in ("task", "work", "check"):
        if role not in named:
            cell_id = f"{exercise.id.replace('.', '-')}-{role}"
            yield Finding(exercise.id, f"{shown} has no cell {cell_id}", "Add it.")
    if "work" in named and BEGIN not in named["work"].source:
        yield Finding(exercise.id, f"its work cell in {shown} marks no solution", f"Put {BEGIN} around it.")
    if "check" in named and f'await check("{exercise.id}"' not in named["check"].source:
        call = f'await check("{exercise.id}", {", ".join(exercise.student_writes)})'
        yield Finding(exercise.id, f"its check cell in {shown} does not check it", f"Write {call}.")


def notebook_exercise_findings(notebook: Notebook, shown: str) -> Iterator[Finding]:
    """Yield the exercises that a notebook names, or has cells for, and that are not there."""
    known = {exercise.id for exercise in load_all()}
    for cell in notebook.cells:
        named = set(_EXERCISE_ID.findall(cell.source)) | ({cell.name.exercise} if cell.name else set())
        for exercise in sorted(named - known):
            where = f"{shown}, cell {cell.id}"
            yield Finding(where, f"it names {exercise}, and there is no such exercise", "Correct the number.")
