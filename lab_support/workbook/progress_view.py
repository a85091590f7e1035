"""How far a student has come: plain text for a terminal, a picture and a table for a notebook, data for machines.

States are told by a sign and a word, never by colour alone; `progress_picture` draws.

Section:
    00, "The map"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from lab_support.exercises.verdict import State
from lab_support.workbook.progress_picture import picture

SIGNS = {
    State.PASSED: "✓",
    State.FAILED: "✗",
    State.ERROR: "!",
    State.TIMED_OUT: "◔",
    State.NOT_ATTEMPTED: "○",
}
HEADINGS = ("Exercise", "Title", "State", "Attempts", "Hints")
BAR_CELLS = 20
FULL, EMPTY = "█", "░"
TITLE_WIDTH = 48
CELL = "text-align:left;padding:2px 12px 2px 0"


@dataclass(frozen=True, slots=True)
class ExerciseProgress:
    """One line of the report.

    Attributes:
        id: Such as `13.1.2`.
        title: The exercise's title, in words.
        state: The best state reached.
        attempts: Checks of work that had been begun.
        hints: The highest stage of hint taken.
        gave_up: Whether the solution was read before a pass.
    """

    id: str
    title: str
    state: State = State.NOT_ATTEMPTED
    attempts: int = 0
    hints: int = 0
    gave_up: bool = False

    @property
    def told(self) -> str:
        """The state as a sign and words."""
        return f"{SIGNS[self.state]} {self.state}{' (solution read)' if self.gave_up else ''}"

    @property
    def cells(self) -> tuple[str, ...]:
        """The line's cells, in the order of `HEADINGS`."""
        return self.id, self.title, self.told, str(self.attempts or "-"), str(self.hints or "-")


@dataclass(frozen=True, slots=True)
class SectionProgress:
    """A section and its exercises, in order."""

    section: str
    title: str
    exercises: Sequence[ExerciseProgress]

    @property
    def passed(self) -> int:
        """How many of its exercises have been passed."""
        return sum(exercise.state == State.PASSED for exercise in self.exercises)

    @property
    def headline(self) -> str:
        """Number, title and count in one line."""
        return f"{self.section} {self.title}: {self.passed} of {len(self.exercises)} passed"

    @property
    def bar(self) -> str:
        """The passed share as a bar of characters; full only when all are passed, empty only when none is."""
        share = self.passed / max(1, len(self.exercises))
        full = int(share * BAR_CELLS) or int(self.passed > 0)
        return FULL * full + EMPTY * (BAR_CELLS - full)


@dataclass(frozen=True, slots=True, repr=False)
class ProgressReport:
    """What `progress()` returns; Jupyter shows it as a picture over a table, `print` as text."""

    sections: Sequence[SectionProgress]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        parts = [
            f"{section.headline}\n  {section.bar}\n{progress_table(section.exercises)}"
            for section in self.sections
        ]
        if len(self.sections) > 1:
            passed, total = self.counts
            parts.append(f"{passed} of {total} exercises passed.")
        return "\n\n".join(parts) or "There are no exercises yet."

    def _repr_html_(self) -> str:
        return picture(self.sections) + "".join(
            _section_html(section) for section in self.sections
        ) or escape(str(self))

    @property
    def counts(self) -> tuple[int, int]:
        """How many exercises are passed, and how many there are."""
        return sum(one.passed for one in self.sections), sum(len(one.exercises) for one in self.sections)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        passed, total = self.counts
        return {
            "passed": passed,
            "exercises": total,
            "sections": [
                {
                    "section": section.section,
                    "title": section.title,
                    "passed": section.passed,
                    "exercises": [_exercise_data(exercise) for exercise in section.exercises],
                }
                for section in self.sections
            ],
        }


def progress_table(rows: Iterable[ExerciseProgress]) -> str:
    """Return the exercises as a table of plain text, columns aligned, long titles cut."""
    cells = [HEADINGS, *(tuple(_cut(cell) for cell in row.cells) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(f"  {line.rstrip()}" for line in lines)


def _cut(text: str) -> str:
    return text if len(text) <= TITLE_WIDTH else f"{text[: TITLE_WIDTH - 1]}…"


def _exercise_data(exercise: ExerciseProgress) -> dict[str, Any]:
    return {
        "id": exercise.id,
        "title": exercise.title,
        "state": str(exercise.state),
        "attempts": exercise.attempts,
        "hints": exercise.hints,
        "gave_up": exercise.gave_up,
    }


def _section_html(section: SectionProgress) -> str:
    head = "".join(f'<th scope="col" style="{CELL}">{heading}</th>' for heading in HEADINGS)
    body = "".join(_row_html(exercise) for exercise in section.exercises)
    return (
        f'<table style="color:inherit;border-collapse:collapse;margin:0 0 1em"><caption style="{CELL};font-weight:600">'
        f"{escape(section.headline)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row_html(exercise: ExerciseProgress) -> str:
    first, *others = exercise.cells
    data = "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in others)
    return f'<tr><th scope="row" style="{CELL}">{escape(first)}</th>{data}</tr>'
