"""How far a student has come: plain text for a terminal, a quiet table for a notebook, data for machines.

States are told by a sign and a word, never by colour alone; drawings use the page's own text colour.

Section:
    00, "Your progress"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from lab_support.exercises.verdict import State

SIGNS = {
    State.PASSED: "✓",
    State.FAILED: "✗",
    State.ERROR: "!",
    State.TIMED_OUT: "◔",
    State.NOT_ATTEMPTED: "○",
}
HEADINGS = ("Exercise", "Title", "State", "Attempts", "Hints")
BAR_WIDTH, BAR_HEIGHT = 120, 10
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


@dataclass(frozen=True, slots=True, repr=False)
class ProgressReport:
    """What `progress()` returns; Jupyter shows it as a table, `print` as text."""

    sections: Sequence[SectionProgress]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        parts = [f"{section.headline}\n{progress_table(section.exercises)}" for section in self.sections]
        return "\n\n".join(parts) or "There are no exercises yet."

    def _repr_html_(self) -> str:
        return "".join(_section_html(section) for section in self.sections) or escape(str(self))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "passed": sum(section.passed for section in self.sections),
            "exercises": sum(len(section.exercises) for section in self.sections),
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
        f"{escape(section.headline)} {_bar(section)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row_html(exercise: ExerciseProgress) -> str:
    first, *others = exercise.cells
    data = "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in others)
    return f'<tr><th scope="row" style="{CELL}">{escape(first)}</th>{data}</tr>'


def _bar(section: SectionProgress) -> str:
    """Draw one box an exercise, filled when passed; hidden from screen readers, who hear the caption."""
    return (
        f'<svg aria-hidden="true" width="{BAR_WIDTH}" height="{BAR_HEIGHT}"'
        f' viewBox="0 0 {BAR_WIDTH} {BAR_HEIGHT}">{"".join(_boxes(section))}</svg>'
    )


def _boxes(section: SectionProgress) -> Iterator[str]:
    step = BAR_WIDTH / max(1, len(section.exercises))
    for place, exercise in enumerate(section.exercises):
        fill = "currentColor" if exercise.state == State.PASSED else "none"
        yield (
            f'<rect x="{place * step + 1:.1f}" y="1" width="{step - 3:.1f}" height="{BAR_HEIGHT - 2}"'
            f' fill="{fill}" stroke="currentColor" stroke-width="1"/>'
        )
