"""The report of a student's progress, as text, as a table and as data."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from lab_support.exercises.verdict import State
from lab_support.workbook.progress_view import (
    ExerciseProgress,
    ProgressReport,
    SectionProgress,
    progress_table,
)

REPORT = ProgressReport(
    [
        SectionProgress(
            "13.1",
            "SQLAlchemy ORM, asynchronously",
            [
                ExerciseProgress("13.1.1", "The entity", State.PASSED, attempts=2, hints=1),
                ExerciseProgress("13.1.2", "Sessions <b>&</b> pools", State.TIMED_OUT, attempts=1),
                ExerciseProgress("13.1.3", "A router", State.FAILED, attempts=7, hints=3, gave_up=True),
                ExerciseProgress("13.1.4", "Orders with items"),
            ],
        ),
        SectionProgress("13.2", "DTO and entity, apart", []),
    ]
)


def page() -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{REPORT._repr_html_()}</div>")  # noqa: S314 - our own markup


def test_text_names_every_state_in_words() -> None:
    """Printed, each exercise is a line with its id, state, attempts and hints under a heading."""
    lines = str(REPORT).splitlines()

    assert lines[0] == "13.1 SQLAlchemy ORM, asynchronously: 1 of 4 passed"
    assert lines[1].split() == ["Exercise", "Title", "State", "Attempts", "Hints"]
    assert lines[2].split() == ["13.1.1", "The", "entity", "✓", "passed", "2", "1"]
    assert "◔ timed out" in lines[3]
    assert "✗ failed (solution read)" in lines[4]
    assert "○ not attempted" in lines[5]
    assert lines[5].split()[-2:] == ["-", "-"]


def test_columns_are_aligned_and_long_titles_cut() -> None:
    """Every state begins in one column, however long a title is."""
    table = progress_table(
        [ExerciseProgress("13.1.1", "x" * 200), ExerciseProgress("13.10.1", "short", State.ERROR)]
    ).splitlines()

    assert table[1].index("○") == table[2].index("!") == table[0].index("State")
    assert max(map(len, table)) < 110


def test_table_can_be_read_without_seeing_it() -> None:
    """A table has a caption with the count, and headers for columns and rows; the drawing is decoration."""
    table = page().find("table")
    assert table is not None

    caption = table.find("caption")
    assert caption is not None
    assert (caption.text or "").strip() == "13.1 SQLAlchemy ORM, asynchronously: 1 of 4 passed"
    assert [header.get("scope") for header in table.iter("th")] == ["col"] * 5 + ["row"] * 4
    assert [svg.get("aria-hidden") for svg in table.iter("svg")] == ["true"]


def test_table_uses_no_colour_of_its_own() -> None:
    """The drawing takes the page's text colour, visible in light and dark, and says nothing by colour."""
    html = REPORT._repr_html_()
    boxes = list(page().iter("rect"))

    assert {box.get("stroke") for box in boxes} == {"currentColor"}
    assert [box.get("fill") for box in boxes] == ["currentColor", "none", "none", "none"]
    assert "#" not in html
    assert re.findall("color:[a-z]+", html) == ["color:inherit"] * 2


def test_titles_are_text_and_not_markup() -> None:
    """A title with angle brackets is shown as written."""
    assert "Sessions &lt;b&gt;&amp;&lt;/b&gt; pools" in REPORT._repr_html_()
    assert not list(page().iter("b"))


def test_data_survives_json() -> None:
    """`as_dict` holds counts, states and ids, and JSON gives the same back."""
    data = json.loads(json.dumps(REPORT.as_dict()))

    assert data == REPORT.as_dict()
    assert (data["passed"], data["exercises"]) == (1, 4)
    assert data["sections"][0]["exercises"][2] == {
        "id": "13.1.3", "title": "A router", "state": "failed", "attempts": 7, "hints": 3, "gave_up": True,
    }  # fmt: skip


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_own_sign(state: State) -> None:
    """No two states are told by the same sign."""
    signs = {other: ExerciseProgress("x", "y", other).told[0] for other in State}

    assert list(signs.values()).count(signs[state]) == 1


def test_empty_report_says_so() -> None:
    """Without exercises there is a sentence instead of an empty cell."""
    assert str(ProgressReport([])) == ProgressReport([])._repr_html_() == "There are no exercises yet."
