"""Every lesson shows each item of the curriculum, and teaches every word that its lab needs."""

from __future__ import annotations

import re

import pytest

from tests.lessons.committed import LESSONS, cells_by_id, claims, lesson
from tests.lessons.curriculum import LessonFacts, every_lesson

FACTS = every_lesson()
SHOWN = [pytest.param(facts, item, id=f"{facts.prefix}{item}") for facts in FACTS for item in facts.shows]
BOXED = [pytest.param(facts, error, id=f"{facts.prefix}{error}") for facts in FACTS for error in facts.boxes]
TAUGHT = [pytest.param(facts, exercise, id=exercise) for facts in FACTS for exercise in facts.taught]

each_lesson = pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts.name)


def test_every_lesson_of_a_section_is_held_against_the_curriculum() -> None:
    """No lesson is there of which nobody wrote down what it has to show."""
    assert [facts.name for facts in FACTS] == [name for name in LESSONS if name.startswith("13")]


@pytest.mark.parametrize(("facts", "item"), SHOWN)
def test_each_item_is_shown_by_a_cell_that_claims_it(facts: LessonFacts, item: str) -> None:
    """The cell is there, ran, and its claims held."""
    cells = cells_by_id(lesson(facts.name))
    for name in facts.shows[item]:
        assert claims(cells[facts.prefix + name]), f"{facts.prefix}{name} claims nothing"


@pytest.mark.parametrize(("facts", "error"), BOXED)
def test_each_common_error_has_its_box(facts: LessonFacts, error: str) -> None:
    """The box stands out, and names what a reader meets elsewhere."""
    prose = cells_by_id(lesson(facts.name))[facts.prefix + facts.boxes[error]].source
    boxes = re.findall(r"(?:^>.*\n?)+", prose, re.MULTILINE)
    assert any("What you will read elsewhere" in box and error in box for box in boxes)


@pytest.mark.parametrize(("facts", "exercise"), TAUGHT)
def test_lesson_teaches_what_the_exercise_needs(facts: LessonFacts, exercise: str) -> None:
    """Whoever read the lessons up to this one has met every word that the reference answer uses."""
    read = [name for name in LESSONS if name <= facts.name]
    text = "\n".join(cell.source for name in read for cell in lesson(name).cells)
    assert [word for word in facts.taught[exercise] if word not in text] == []


@each_lesson
def test_lesson_has_the_size_and_parts_of_a_lesson(facts: LessonFacts) -> None:
    """25 to 50 cells, its diagrams, a place for the view, recap, production, reading, and the way to the lab."""
    notebook = lesson(facts.name)
    cells, text = cells_by_id(notebook), "\n".join(cell.source for cell in notebook.cells)
    assert 25 <= len(notebook.cells) <= 50
    assert facts.diagrams
    for name, kind in facts.diagrams.items():
        assert f"```mermaid\n{kind}" in cells[facts.prefix + name].source
    assert f"**Interactive view: {facts.view}" in cells[f"{facts.prefix}view-place"].source
    for heading in ("## Recap", "## In production", "## Further reading"):
        assert heading in text
    assert f"../work/{facts.name}" in text
