"""Labs and solutions run as a student would run them: the reference passes, and a blank says "not attempted".

Section:
    All sections.
"""

from __future__ import annotations

from pathlib import Path

from lab_support.authoring.findings import Finding
from lab_support.exercises import State
from lab_support.grading.cell_events import CellProcessError
from lab_support.grading.records import VerdictRecord
from lab_support.grading.runner import run_notebook
from lab_support.notebooks import NotebookError


def reference_findings(solution: Path) -> list[Finding]:
    """Run a solution; every exercise in it has to pass."""
    records, unrunnable = _run(solution)
    return unrunnable + [finding for record in records if (finding := finding_about_reference(record))]


def blank_findings(lab: Path) -> list[Finding]:
    """Run a blank lab; every exercise in it has to be not attempted."""
    records, unrunnable = _run(lab)
    return unrunnable + [finding for record in records if (finding := finding_about_blank(record))]


def finding_about_reference(record: VerdictRecord) -> Finding | None:
    """Return what is wrong with the reference solution of one exercise, or None."""
    if record.passed:
        return None
    problem = f"its reference solution is {record.state}: {record.message}"
    return Finding(record.exercise, problem, "Mend the solution or the scenario.")


def finding_about_blank(record: VerdictRecord) -> Finding | None:
    """Return what is wrong with the blank of one exercise, or None."""
    if record.state == State.NOT_ATTEMPTED.value:
        return None
    problem = f"its blank says {record.state} instead of not attempted: {record.message}"
    return Finding(record.exercise, problem, "Let the solution region define every name that is checked.")


def _run(path: Path) -> tuple[list[VerdictRecord], list[Finding]]:
    try:
        return run_notebook(path, counts=False), []
    except NotebookError as error:
        return [], [Finding(f"{path.parent.name}/{path.name}", error.problem, "")]
    except CellProcessError as error:
        return [], [Finding(f"{path.parent.name}/{path.name}", str(error), "")]
