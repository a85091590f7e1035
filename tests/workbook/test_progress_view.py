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
    """Printed, each exercise is a line with its id, state, attempts and hints under a heading and a bar."""
    lines = str(REPORT).splitlines()

    assert lines[0] == "13.1 SQLAlchemy ORM, asynchronously: 1 of 4 passed"
    assert lines[1].strip() == "█" * 5 + "░" * 15
    assert lines[2].split() == ["Exercise", "Title", "State", "Attempts", "Hints"]
    assert lines[3].split() == ["13.1.1", "The", "entity", "✓", "passed", "2", "1"]
    assert "◔ timed out" in lines[4]
    assert "✗ failed (solution read)" in lines[5]
    assert "○ not attempted" in lines[6]
    assert lines[6].split()[-2:] == ["-", "-"]
    assert lines[-1] == "1 of 4 exercises passed."


@pytest.mark.parametrize(
    ("passed", "total", "full"), [(0, 60, 0), (1, 60, 1), (30, 60, 10), (59, 60, 19), (60, 60, 20), (0, 0, 0)]
)
def test_bar_is_full_only_when_all_are_passed(passed: int, total: int, full: int) -> None:
    """One of sixty fills something, fifty-nine of sixty leave something open."""
    states = [State.PASSED] * passed + [State.FAILED] * (total - passed)
    section = SectionProgress(
        "13.1", "", [ExerciseProgress(str(at), "", one) for at, one in enumerate(states)]
    )

    assert section.bar == "█" * full + "░" * (20 - full)


def test_columns_are_aligned_and_long_titles_cut() -> None:
    """Every state begins in one column, however long a title is."""
    table = progress_table(
        [ExerciseProgress("13.1.1", "x" * 200), ExerciseProgress("13.10.1", "short", State.ERROR)]
    ).splitlines()

    assert table[1].index("○") == table[2].index("!") == table[0].index("State")
    assert max(map(len, table)) < 110


def test_table_can_be_read_without_seeing_it() -> None:
    """A table has a caption with the count, and headers for columns and rows."""
    table = page().find("table")
    assert table is not None

    caption = table.find("caption")
    assert caption is not None
    assert (caption.text or "").strip() == "13.1 SQLAlchemy ORM, asynchronously: 1 of 4 passed"
    assert [header.get("scope") for header in table.iter("th")] == ["col"] * 5 + ["row"] * 4


def test_picture_says_in_one_sentence_what_it_shows() -> None:
    """A screen reader hears the counts; a pointer finds each exercise's state in words."""
    (drawing,) = page().iter("svg")

    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == "1 of 4 exercises passed (13.1: 1 of 4; 13.2: 0 of 0)"
    assert [title.text for title in drawing.iter("title")] == [
        "13.1.1 The entity: ✓ passed",
        "13.1.2 Sessions <b>&</b> pools: ◔ timed out",
        "13.1.3 A router: ✗ failed (solution read)",
        "13.1.4 Orders with items: ○ not attempted",
    ]


def test_picture_tells_states_apart_without_colour() -> None:
    """Everything has the page's text colour; a pass is filled, a blank dashed, and the others carry their sign."""
    html = REPORT._repr_html_()
    boxes = list(page().iter("rect"))

    assert {box.get("stroke") for box in boxes} == {"currentColor"}
    assert [box.get("fill") for box in boxes] == ["currentColor", "none", "none", "none"]
    assert [box.get("stroke-dasharray") for box in boxes] == [None, None, None, "3 3"]
    assert [text.text for text in page().iter("text")] == ["13.1", "◔", "✗", "1 of 4", "13.2", "0 of 0"]
    assert "#" not in html
    assert set(re.findall("color:[a-z]+", html)) == {"color:inherit"}


def test_picture_holds_all_that_it_draws() -> None:
    """Nothing lies outside the view box, however many exercises a section has."""
    exercises = [ExerciseProgress(f"13.10.{at}", "", State.PASSED) for at in range(1, 13)]
    report = ProgressReport([SectionProgress("13.10", "Pools", exercises), *REPORT.sections])
    drawing = ElementTree.fromstring(f"<div>{report._repr_html_()}</div>").find("svg")  # noqa: S314
    assert drawing is not None

    width, height = (float(drawing.get(side, "0")) for side in ("width", "height"))
    for box in drawing.iter("rect"):
        assert float(box.get("x", "0")) + float(box.get("width", "0")) <= width
        assert float(box.get("y", "0")) + float(box.get("height", "0")) <= height


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
