"""Every way to pass nbval without the checks is a finding."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lab_support.exercises import section
from lab_support.grading.vacuous import CellRun, findings
from lab_support.notebooks import read_notebook
from tests.support.lab_files import code, notebook, save

EXERCISES = [exercise.id for exercise in section("13.1")]
FIRST = "13-1-1-check"


def check_cells() -> list[dict[str, Any]]:
    """Return a check cell for every exercise of 13.1."""
    return [code(f"{one.replace('.', '-')}-check", f'await check("{one}", x)') for one in EXERCISES]


def passed(cells: Iterable[dict[str, Any]]) -> list[CellRun]:
    """Return runs in which each check cell passed and its check was recorded."""
    return [
        CellRun(cell["id"], "passed", ({"exercise": cell["id"][:6].replace("-", "."), "state": "passed"},))
        for cell in cells
    ]


def found_in(path: Path, cells: list[dict[str, Any]], runs: list[CellRun] | None = None) -> list[str]:
    """Return what is found in a notebook of these cells."""
    notebook_read = read_notebook(save(path, notebook(cells)), ids_needed=False)
    return list(findings(notebook_read, passed(cells) if runs is None else runs))


def test_sound_notebook_has_no_findings(tmp_path: Path) -> None:
    """All checks ran, were recorded, and passed."""
    assert found_in(tmp_path / "work" / "lab.ipynb", check_cells()) == []


@pytest.mark.parametrize("stem", ["13_01_sqlalchemy_orm", "renamed by a student"])
def test_deleted_check_cell_is_found_by_the_ids_of_the_others(tmp_path: Path, stem: str) -> None:
    """The section is known from the cells that are left, whatever the file is called and wherever it lies."""
    (found,) = found_in(tmp_path / f"{stem}.ipynb", check_cells()[1:])

    assert found.startswith("13.1.1: there is no cell 13-1-1-check")


def test_lab_without_any_id_is_found_by_its_name(tmp_path: Path) -> None:
    """A lab in work/ whose ids were all replaced owes every check."""
    cells = [{**cell, "id": f"random{number}"} for number, cell in enumerate(check_cells())]

    assert len(found_in(tmp_path / "work" / "13_01_sqlalchemy_orm.ipynb", cells)) == len(EXERCISES)


def test_lab_without_any_id_is_found_by_its_check_calls(tmp_path: Path) -> None:
    """So does one elsewhere, because it calls `check`."""
    cells = [{**cell, "id": f"random{number}"} for number, cell in enumerate(check_cells())]

    assert len(found_in(tmp_path / "mine.ipynb", cells)) == len(EXERCISES)


@pytest.mark.parametrize("tag", ["raises-exception", "nbval-skip", "nbval-raises-exception"])
def test_tagged_check_cell_is_found(tmp_path: Path, tag: str) -> None:
    """A tag that makes nbval look away is named, even where the check passed."""
    cells = check_cells()
    cells[0]["metadata"] = {"tags": [tag]}

    (found,) = found_in(tmp_path / "lab.ipynb", cells)

    assert found.startswith(f"13.1.1: the check cell has the tag {tag}")


def test_commented_check_cell_is_found(tmp_path: Path) -> None:
    """So is a comment with the same effect."""
    cells = check_cells()
    cells[0]["source"] = "# NBVAL_SKIP\n" + cells[0]["source"]

    (found,) = found_in(tmp_path / "lab.ipynb", cells)

    assert "the comment # NBVAL_SKIP" in found


def test_check_cell_turned_into_markdown_is_found(tmp_path: Path) -> None:
    """A cell of another kind runs nothing."""
    cells = check_cells()
    cells[0] = {"cell_type": "markdown", "id": FIRST, "metadata": {}, "source": "passed!"}

    (found,) = found_in(tmp_path / "lab.ipynb", cells)

    assert found.startswith("13.1.1: there is no cell 13-1-1-check")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (CellRun(FIRST, "passed", ()), "no check did"),
        (CellRun(FIRST, "passed", ({"exercise": "13.1.2", "state": "passed"},)), "no check did"),
        (CellRun(FIRST, "passed", ({"exercise": "13.1.1", "state": "failed"},)), "failed, though"),
        (
            CellRun(FIRST, "passed", ({"exercise": "13.1.1", "state": "not attempted"},)),
            "not attempted, though",
        ),
        (CellRun(FIRST, "skipped"), "was not run"),
        (CellRun("another cell", "passed"), "was not run"),
    ],
    ids=["redefined", "another-exercise", "swallowed", "swallowed-blank", "skipped", "deselected"],
)
def test_check_that_did_not_pass_unseen_is_found(tmp_path: Path, run: CellRun, said: str) -> None:
    """What nbval calls passed is no pass without a recorded one."""
    cells = check_cells()

    (found,) = found_in(tmp_path / "lab.ipynb", cells, [run, *passed(cells)[1:]])

    assert found.startswith("13.1.1: ")
    assert said in found


def test_failure_that_nbval_reports_is_not_reported_twice(tmp_path: Path) -> None:
    """A blank lab fails once per exercise, and the last item adds nothing."""
    cells = check_cells()
    runs = [CellRun(cell["id"], "failed", ()) for cell in cells]

    assert found_in(tmp_path / "lab.ipynb", cells, runs) == []


def test_lesson_cell_that_is_not_really_run_is_found(tmp_path: Path) -> None:
    """Lessons have no checks; each of their cells has to run without an exception."""
    cells = [code("13-1-engine", "1", tags=["raises-exception"]), code("13-1-session", "2")]

    (found,) = found_in(tmp_path / "notebooks" / "13_01_sqlalchemy_orm.ipynb", cells)

    assert "13-1-engine" in found
    assert "raises-exception" in found


def test_lesson_may_mention_a_check_without_owing_it(tmp_path: Path) -> None:
    """A lesson that shows how `check` is called is still a lesson."""
    cells = [code("00-check", 'await check("13.1.1", Product)')]

    assert found_in(tmp_path / "notebooks" / "00_start_here.ipynb", cells) == []


def test_foreign_notebook_is_left_alone(tmp_path: Path) -> None:
    """A notebook that is not the workbook's may use nbval's tags as it likes."""
    cells = [code("4f9c2a1b", "1 / 0", tags=["raises-exception"])]

    assert found_in(tmp_path / "other.ipynb", cells) == []
