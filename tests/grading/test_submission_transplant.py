"""Only the text of the student's work cells gets into the pristine lab."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lab_support.grading.submissions.transplant import transplant
from lab_support.notebooks import Cell, Notebook


def cell(cell_id: str, source: str = "", kind: str = "code", **metadata: object) -> Cell:
    content = {"id": cell_id, "cell_type": kind, "source": source, "metadata": metadata}
    return Cell(cell_id, kind, source, content)


def notebook(*cells: Cell, minor: int = 5) -> Notebook:
    return Notebook(Path("lab.ipynb"), cells, {"nbformat": 4, "nbformat_minor": minor})


TASK, CHECK = cell("13-1-1-task", "Do it", "markdown"), cell("13-1-1-check", "check()")
TASK_2, CHECK_2 = cell("13-1-2-task", "Again", "markdown"), cell("13-1-2-check", "check()")
LAB = notebook(TASK, cell("13-1-1-work", "..."), CHECK, TASK_2, cell("13-1-2-work", "..."), CHECK_2)
WORK, WORK_2 = cell("13-1-1-work", "one = 1"), cell("13-1-2-work", "two = 2")


def sources(*submitted: Cell) -> tuple[str, str]:
    done = transplant(LAB, notebook(*submitted)).cells
    return done[1].source, done[4].source


def notes(*submitted: Cell) -> str:
    return " ".join(transplant(LAB, notebook(*submitted)).notes)


def test_work_is_taken_over_without_a_note() -> None:
    submitted = (TASK, WORK, CHECK, TASK_2, WORK_2, CHECK_2)
    assert (sources(*submitted), notes(*submitted)) == (("one = 1", "two = 2"), "")


def test_an_edited_check_is_replaced_and_noted() -> None:
    submitted = (TASK, WORK, cell("13-1-1-check", "pass"), TASK_2, WORK_2, CHECK_2)
    assert transplant(LAB, notebook(*submitted)).cells[2] == CHECK
    assert "13-1-1-check was changed" in notes(*submitted)


def test_tags_stay_behind() -> None:
    tagged = cell("13-1-1-work", "one = 1", tags=["nbval-skip"])
    assert transplant(LAB, notebook(TASK, tagged, CHECK)).cells[1].skip_mark is None


def test_a_moved_cell_is_graded_in_its_place_and_noted() -> None:
    submitted = (TASK, CHECK, TASK_2, WORK_2, CHECK_2, WORK)
    assert sources(*submitted) == ("one = 1", "two = 2")
    assert "13-1-1-work was moved" in notes(*submitted)


def test_a_cell_that_lost_its_id_is_found_by_its_place() -> None:
    submitted = (TASK, cell("a1b2", "one = 1"), CHECK, TASK_2, WORK_2, CHECK_2)
    assert sources(*submitted) == ("one = 1", "two = 2")
    assert "lost its id" in notes(*submitted)


def test_two_unknown_cells_in_a_place_are_not_guessed_between() -> None:
    submitted = (TASK, cell("a", "one = 1"), cell("b", "one = 2"), CHECK, TASK_2, WORK_2, CHECK_2)
    assert sources(*submitted) == ("...", "two = 2")
    assert "13-1-1-work is missing; which of 2" in notes(*submitted)


def test_of_copies_that_differ_the_last_counts() -> None:
    submitted = (TASK, WORK, cell("13-1-1-work", "one = 11"), CHECK, TASK_2, WORK_2, CHECK_2)
    assert sources(*submitted) == ("one = 11", "two = 2")
    assert "they differ" in notes(*submitted)


def test_identical_copies_are_noted_as_such() -> None:
    assert "they are identical" in notes(TASK, WORK, WORK, CHECK, TASK_2, WORK_2, CHECK_2)


def test_a_work_cell_turned_into_text_counts_as_missing() -> None:
    submitted = (TASK, cell("13-1-1-work", "one", "markdown"), CHECK, TASK_2, WORK_2, CHECK_2)
    assert sources(*submitted) == ("...", "two = 2")
    assert "no longer a code cell" in notes(*submitted)


def test_extra_cells_do_not_count_and_are_noted() -> None:
    assert "do not count: 1" in notes(cell("x", "helper = 1"), TASK, WORK, CHECK, TASK_2, WORK_2, CHECK_2)


def test_an_old_format_leaves_the_lab_blank_with_one_clear_note() -> None:
    done = transplant(LAB, notebook(cell("", "one = 1"), minor=4))
    assert done.cells == LAB.cells
    assert "4.4; 4.5 is needed" in done.notes[0]


def test_a_notebook_without_cells_leaves_the_lab_blank() -> None:
    assert "no cells" in transplant(LAB, notebook()).notes[0]


IDS = st.sampled_from(["", "x", *(known.id for known in LAB.cells)])
ANY_CELL = st.builds(cell, IDS, st.sampled_from(["", "a", "b"]), st.sampled_from(["code", "markdown", "raw"]))


@given(st.lists(ANY_CELL, max_size=12))
def test_whatever_is_handed_in_only_work_cells_change(submitted: list[Cell]) -> None:
    done = transplant(LAB, notebook(*submitted)).cells
    assert [now.id for now in done] == [known.id for known in LAB.cells]
    assert [done[place] for place in (0, 2, 3, 5)] == [LAB.cells[place] for place in (0, 2, 3, 5)]
