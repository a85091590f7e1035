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
from lab_support.cli.telling import fail, progress_bar, say_aside

if TYPE_CHECKING:
    from lab_support.grading.records import VerdictRecord


AUTHORS_FOLDERS = ("labs", "notebooks", "solutions", "tests")


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
    """Return the notebooks that the command line means, found in `work/` by their cells' ids.

    Raises:
        typer.Exit: The student has no copy of a lab yet.
    """
    from lab_support.exercises import sections

    if file is not None:
        return [file]
    if wanted is not None:
        return [lab_in_work(home, wanted.section)]
    found = [lab_in_work(home, number) for number in sections()]
    found = [path for path in dict.fromkeys(found) if path.exists()]
    if not found:
        fail("work/ holds no lab yet. `lab open` makes your copies.")
    return found


def lab_in_work(home: Path, section: str) -> Path:
    """Return the student's notebook of a section; where there are several, say on standard error which it is."""
    from lab_support.exercises.registry import STEMS
    from lab_support.notebooks import labs_of

    work, name = home / "work", f"{STEMS[section]}.ipynb"
    found = labs_of(section, work, home / "labs" / name) or [work / name]
    if len(found) > 1:
        say_aside(
            f"{len(found)} notebooks in work/ hold section {section}; this is about {found[0].relative_to(home)}."
        )
    return found[0]


def check_files(home: Path, files: Sequence[Path], wanted: Target | None) -> list[FileReport]:
    """Run each notebook, with a bar for the exercises done.

    Raises:
        NotebookError: A file is no notebook of the workbook.
    """
    from lab_support.grading.postgres_hold import PostgresHold
    from lab_support.grading.runner import run_notebook

    only = wanted.exercises if wanted is not None else frozenset[str]()
    reports: list[FileReport] = []
    with PostgresHold() as postgres, progress_bar("checking", None) as bar:
        for path in files:
            done: list[VerdictRecord] = []

            def told(record: VerdictRecord, done: list[VerdictRecord] = done) -> None:
                done.append(record)
                bar(sum(len(report.records) for report in reports) + len(done), None)

            counts = not _is_an_authors(home, path)
            reports.append(FileReport(path, run_notebook(path, only=only, told=told, counts=counts)))
            postgres.take(reports[-1].records)
    return reports


def _is_an_authors(home: Path, path: Path) -> bool:
    """Whether a notebook lies in a folder of the workbook's own, so that its checks are nobody's progress."""
    return any(path.resolve().is_relative_to((home / folder).resolve()) for folder in AUTHORS_FOLDERS)


def tell(reports: Sequence[FileReport], *, whole_cards: bool) -> None:
    """Print a line for each exercise and one that sums up, or the whole cards."""
    for report in reports:
        for record in report.records:
            verdict = record.rebuilt_verdict()
            if whole_cards and verdict is not None:
                from lab_support.workbook.cards import card

                typer.echo(card(verdict))
            else:
                typer.echo(line_about(record))
    if not whole_cards:
        _tell_sum([record for report in reports for record in report.records])


def line_about(record: VerdictRecord) -> str:
    """Return the outcome of one exercise on one line."""
    from lab_support.exercises import State
    from lab_support.workbook.cards import MARKS

    marks = {state.value: mark for state, mark in MARKS.items()}
    line = f"{marks.get(record.state, '✗')} {record.exercise} {record.title}: {record.state}"
    tells_more = record.message and record.state != State.NOT_ATTEMPTED
    return line + (f". {record.message}" if tells_more else "")


def _tell_sum(records: Sequence[VerdictRecord]) -> None:
    passed = sum(record.passed for record in records)
    first = next((record.exercise for record in records if not record.passed), None)
    more = f" The whole card: `lab check {first}`." if first else ""
    typer.echo(f"{passed} of {len(records)} passed.{more}")
