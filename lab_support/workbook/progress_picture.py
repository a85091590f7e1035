"""Progress as a small picture: one row a section, one box an exercise, filled when it is passed.

Everything is drawn in the page's own text colour, so that it reads on light and on dark, and each state has a sign
or a fill of its own, so that nothing is said by colour. A screen reader hears one sentence instead.

Section:
    00, "The map"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from lab_support.exercises.verdict import State

if TYPE_CHECKING:
    from lab_support.workbook.progress_view import ExerciseProgress, SectionProgress

LABEL, BOX, GAP, ROW, COUNT = 52, 22, 6, 32, 84
"""Widths and heights in pixels: section number, box, space between boxes, row, and the count at its end."""


def picture(sections: Sequence[SectionProgress]) -> str:
    """Return the picture as SVG; nothing where there is no exercise."""
    longest = max((len(section.exercises) for section in sections), default=0)
    if longest == 0:
        return ""
    width, height = LABEL + longest * (BOX + GAP) + COUNT, ROW * len(sections)
    rows = "".join(_row(section, number * ROW) for number, section in enumerate(sections))
    said = escape(_said(sections), quote=True)
    return (
        f'<svg role="img" aria-label="{said}" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' style="color:inherit;max-width:100%;display:block;margin:0 0 1em" font-family="inherit" font-size="13"'
        f' fill="currentColor">{rows}</svg>'
    )


def _said(sections: Sequence[SectionProgress]) -> str:
    passed, total = sum(one.passed for one in sections), sum(len(one.exercises) for one in sections)
    each = "; ".join(f"{one.section}: {one.passed} of {len(one.exercises)}" for one in sections)
    return f"{passed} of {total} exercises passed ({each})"


def _row(section: SectionProgress, top: int) -> str:
    middle = top + ROW / 2
    boxes = "".join(_box(exercise, place, top) for place, exercise in enumerate(section.exercises))
    after = LABEL + len(section.exercises) * (BOX + GAP) + GAP
    return "".join((
        _text(section.section, 0, middle),
        boxes,
        _text(f"{section.passed} of {len(section.exercises)}", after, middle),
    ))  # fmt: skip


def _box(exercise: ExerciseProgress, place: int, top: int) -> str:
    left, up = LABEL + place * (BOX + GAP), top + (ROW - BOX) / 2
    said = escape(f"{exercise.id} {exercise.title}: {exercise.told}")
    return f"<g><title>{said}</title>{''.join(_drawn(exercise, left, up))}</g>"


def _drawn(exercise: ExerciseProgress, left: float, up: float) -> Iterator[str]:
    passed, blank = exercise.state is State.PASSED, exercise.state is State.NOT_ATTEMPTED
    fill = "currentColor" if passed else "none"
    line = 'stroke-width="1" stroke-dasharray="3 3"' if blank else 'stroke-width="2"'
    yield (
        f'<rect x="{left + 1:g}" y="{up + 1:g}" width="{BOX - 2}" height="{BOX - 2}" rx="4"'
        f' fill="{fill}" stroke="currentColor" {line}/>'
    )
    if not passed and not blank:
        yield _text(exercise.told[0], left + BOX / 2, up + BOX / 2, anchor="middle")


def _text(text: str, left: float, middle: float, *, anchor: str = "start") -> str:
    return f'<text x="{left:g}" y="{middle:g}" dy="0.35em" text-anchor="{anchor}">{escape(text)}</text>'
