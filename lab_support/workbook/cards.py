"""A verdict as a short card of plain text, the same in a notebook, a terminal and nbval.

Section:
    All sections.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from lab_support.exercises.verdict import CaseResult, State, Verdict
from lab_support.student_frames import StudentFrame

WIDTH = 88
LABEL = 11
TIMELINE_LINES = 12
MARKS = {
    State.PASSED: "✓",
    State.FAILED: "✗",
    State.ERROR: "✗",
    State.TIMED_OUT: "◔",
    State.NOT_ATTEMPTED: "○",
}
BOLD, DIM, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


def card(verdict: Verdict, *, colour: bool = False) -> str:
    """Render a verdict.

    Args:
        verdict: What the judge found.
        colour: Whether to add ANSI weight and colour; the text is the same.
    """
    return "\n".join(_lines(verdict, colour=colour))


def _lines(verdict: Verdict, *, colour: bool) -> Iterator[str]:
    headline = f"{MARKS[verdict.state]} {verdict.exercise} {verdict.title} — {verdict.state}"
    if verdict.passed:
        cost = verdict.cost
        yield (
            f"{headline}: {_count(len(verdict.cases), 'scenario')} · {_count(cost.statements, 'statement')} · "
            + (f"{_count(cost.commits, 'commit')} · {verdict.ms:.0f} ms")
        )
        return
    yield f"{BOLD}{RED}{headline}{PLAIN}" if colour else headline
    for label, text in _rows(verdict):
        yield from _row(label, text, colour=colour)


def _rows(verdict: Verdict) -> Iterator[tuple[str, str]]:
    case = verdict.decisive
    if case is None or verdict.state is State.NOT_ATTEMPTED:
        yield "", case.message if case else "Nothing was judged."
        yield "Next", f'write the cell, run it, then run the check again · hint("{verdict.exercise}")'
        return
    if len(verdict.cases) + verdict.not_run > 1:
        passed = sum(one.state is State.PASSED for one in verdict.cases)
        yield "Passed", f"{passed} of {_count(len(verdict.cases) + verdict.not_run, 'scenario')}"
    yield "Scenario", case.title
    yield "Asked", case.call
    yield "Found", case.message
    yield "Expected", case.expected
    yield "Observed", case.observed
    if case.frame is not None:
        yield "Your code", _place(case.frame)
    if verdict.cause is not None:
        yield "Likely", verdict.cause.reply
    if case.engine != "sqlite":
        yield "Database", case.engine
    yield "Timeline", "\n".join(_timeline(case))
    yield "Printed", verdict.printed
    yield "Next", f'hint("{verdict.exercise}") here, or `lab hint {verdict.exercise}` in a terminal'


def _row(label: str, text: str, *, colour: bool) -> Iterator[str]:
    if not text:
        return
    shown = f"{BOLD}{label:<{LABEL}}{PLAIN}" if colour else f"{label:<{LABEL}}"
    pad = " " * (LABEL + 2)
    first = True
    for paragraph in text.strip("\n").splitlines()[:30]:
        for line in textwrap.wrap(paragraph, WIDTH - LABEL - 2) or [""]:
            yield (f"  {shown}" if first else pad) + line.rstrip()
            first = False


def _place(frame: StudentFrame) -> str:
    inside = f", in {frame.function}" if frame.function else ""
    return f"{frame.place}, line {frame.line}{inside}: {frame.source}".rstrip(": ")


def _timeline(case: CaseResult) -> Iterator[str]:
    lines = [(line, len(list(same))) for line, same in groupby(map(event_line, case.timeline))]
    earlier = sum(times for _, times in lines[:-TIMELINE_LINES])
    if earlier > 0:
        yield f"… {_count(earlier, 'earlier event')}"
    for line, times in lines[-TIMELINE_LINES:]:
        yield f"{times} times {line}" if times > 1 else line


def event_line(event: dict[str, Any]) -> str:
    """Render one traced event on one line: connection, what was sent, and the error if it failed."""
    what = event["kind"] if event["kind"] != "SQL" else " ".join(str(event["sql"]).split())
    failed = f"  ✗ {event['error']}" if event.get("error") else ""
    line = f"#{event.get('connection', 1)} {what}"
    return textwrap.shorten(line, WIDTH - LABEL - 12 - min(len(failed), 40), placeholder=" …") + failed[:40]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
