"""A student's labs are found by what is in them, not by what they are called."""

import os
from pathlib import Path

import pytest

from lab_support.notebooks import lab_of, labs_of, notebooks_below
from tests.support.lab_files import code, notebook, save

BLANK = [code("13-1-1-work", "one = ..."), code("13-1-1-check", "check one")]
MINE = [code("13-1-1-work", "one = 1"), code("13-1-1-check", "check one")]
OTHER = [code("13-2-1-work", "two = 2"), code("13-2-1-check", "check two")]


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """Give a blank lab of section 13.1."""
    return save(tmp_path / "labs" / "13_01_lab.ipynb", notebook(BLANK))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Give an empty folder for the student."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def saved(path: Path, cells: list[dict[str, object]], at: int) -> Path:
    """Save a notebook as if at that second."""
    save(path, notebook(cells))
    os.utime(path, (at, at))
    return path


@pytest.mark.parametrize("name", ["13_01_lab.ipynb", "meins.ipynb", "week 3/ücretsiz/first try.ipynb"])
def test_lab_is_found_by_its_cells(work: Path, blank: Path, name: str) -> None:
    """A lab that was renamed, or moved to a folder below, is still the section's."""
    path = saved(work / name, MINE, 100)
    saved(work / "other.ipynb", OTHER, 200)

    assert lab_of("13.1", work, blank) == path


def test_lab_that_is_nowhere_has_its_usual_place(work: Path, blank: Path) -> None:
    """Where it would be is what an error can name."""
    assert labs_of("13.1", work, blank) == []
    assert lab_of("13.1", work, blank) == work / "13_01_lab.ipynb"
    assert lab_of("13.1", work / "gone", blank) == work / "gone" / "13_01_lab.ipynb"


def test_fresh_copy_yields_to_the_renamed_lab_with_work_in_it(work: Path, blank: Path) -> None:
    """`lab open` makes a new copy beside a renamed lab; its later time does not matter, nor do its outputs."""
    mine = saved(work / "meins.ipynb", MINE, 100)
    fresh = [{**cell, "execution_count": 3} for cell in BLANK]
    copy = saved(work / "13_01_lab.ipynb", fresh, 200)

    assert labs_of("13.1", work, blank) == [mine, copy]


def test_of_two_labs_with_work_the_one_saved_last_is_meant(work: Path, blank: Path) -> None:
    """Jupyter's own `-Copy1` is a lab like any other."""
    first = saved(work / "13_01_lab.ipynb", MINE, 100)
    second = saved(work / "13_01_lab-Copy1.ipynb", MINE, 200)

    assert labs_of("13.1", work, blank) == [second, first]


def test_damaged_file_of_the_usual_name_is_the_lab(work: Path, blank: Path) -> None:
    """It is not passed over, so that the student hears what is wrong with it."""
    broken = work / "13_01_lab.ipynb"
    broken.write_text('{"cells": [')

    assert lab_of("13.1", work, blank) == broken


def test_copies_that_a_reset_keeps_and_hidden_files_are_no_labs(work: Path) -> None:
    """Dated copies, Jupyter's checkpoints and unfinished files are left alone."""
    saved(work / "lab.2026-11-24_19-30-05.ipynb", MINE, 100)
    saved(work / "lab.2026-11-24_19-30-05_2.ipynb", MINE, 100)
    saved(work / ".ipynb_checkpoints" / "lab-checkpoint.ipynb", MINE, 100)
    saved(work / ".~lab.ipynb", MINE, 100)
    lab = saved(work / "lab 2026-11-24.ipynb", MINE, 100)

    assert notebooks_below(work) == [lab]
