"""`lab check`: which notebooks to run, and how their records are told.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lab_support.cli.targets import Target
from lab_support.cli.telling import fail, progress_bar

if TYPE_CHECKING:
    from lab_support.grading.records import VerdictRecord


@dataclass(frozen=True, slots=True)
class FileReport:
    """What the checks of one notebook found."""

    file: Path
    records: Sequence[VerdictRecord]

    @property
    def passed(self) -> bool:
        """Whether every exercise passed."""
        return all(record.passed for record in self.records)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        exercises = [{**record.as_dict(), "passed": record.passed} for record in self.records]
        return {"file": str(self.file), "passed": self.passed, "exercises": exercises}


def files_to_check(home: Path, wanted: Target | None, file: Path | None) -> list[Path]:
    """Return the notebooks that the command line means.

    Raises:
        typer.Exit: The student has no copy of a lab yet.
    """
    from lab_support.exercises import sections
    from lab_support.exercises.registry import STEMS

    if file is not None:
        return [file]
    if wanted is not None:
        return [home / "work" / f"{wanted.stem}.ipynb"]
    found = [home / "work" / f"{STEMS[number]}.ipynb" for number in sections()]
    found = [path for path in found if path.exists()]
    if not found:
        fail("work/ holds no lab yet. `lab open` makes your copies.")
    return found


def check_files(files: Sequence[Path], wanted: Target | None) -> list[FileReport]:
    """Run each notebook, with a bar for the exercises done.

    Raises:
        NotebookError: A file is no notebook of the workbook.
    """
    from lab_support.grading.runner import run_notebook

    only = {wanted.exercise} if wanted is not None and wanted.exercise is not None else set[str]()
    reports: list[FileReport] = []
    with progress_bar("checking", None) as bar:
        for path in files:
            done: list[VerdictRecord] = []

            def told(record: VerdictRecord, done: list[VerdictRecord] = done) -> None:
                done.append(record)
                bar(sum(len(report.records) for report in reports) + len(done), None)

            reports.append(FileReport(path, run_notebook(path, only=only, told=told)))
    return reports


def tell(reports: Sequence[FileReport], *, whole_cards: bool) -> None:
    """Print a line for each exercise and one that sums up, or the whole cards."""
    from lab_support.workbook.cards import MARKS

    marks = {state.value: mark for state, mark in MARKS.items()}
    for report in reports:
        for record in report.records:
            verdict = record.rebuilt_verdict()
            if whole_cards and verdict is not None:
                from lab_support.workbook.cards import card

                typer.echo(card(verdict))
                continue
            line = f"{marks.get(record.state, '✗')} {record.exercise} {record.title}: {record.state}"
            typer.echo(line + (f". {record.message}" if record.message else ""))
    if not whole_cards:
        _tell_sum([record for report in reports for record in report.records])


def _tell_sum(records: Sequence[VerdictRecord]) -> None:
    passed = sum(record.passed for record in records)
    first = next((record.exercise for record in records if not record.passed), None)
    more = f" The whole card: `lab check {first}`." if first else ""
    typer.echo(f"{passed} of {len(records)} passed.{more}")
