"""The plugin under a real nbval: kernels run, and what they hide fails the notebook."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab_support.exercises import section
from lab_support.workbook.progress_store import ProgressStore
from tests.support.lab_files import ROOT, code, lab_file, notebook, save, solution_cells

EXERCISES = [exercise.id for exercise in section("13.1")]
SWALLOWS = "try:\n    await check('13.1.4', ...)\nexcept Exception:\n    pass"
Outcomes = dict[str, dict[str, str]]


def nbval(folder: Path, *arguments: str) -> tuple[int, Outcomes, str]:
    """Run nbval; return the exit status, the failures by file and item, and what was printed."""
    report = folder / "report.xml"
    environment = {**os.environ, "LAB_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    options = ["-p", "no:cacheprovider", "-c", os.devnull, "--nbval-lax", "--color=no"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", f"--rootdir={folder}", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    outcomes: Outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        broken = [*case.iter("failure"), *case.iter("error")]
        of_file = outcomes.setdefault(
            Path(case.get("classname", "").replace(".ipynb", "")).name.split(".")[-1], {}
        )
        of_file[case.get("name", "")] = broken[0].text or "" if broken else ""
    return done.returncode, outcomes, done.stdout


@pytest.fixture(scope="module")
def cheated(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Outcomes, str]:
    """Run, on two workers, a renamed lab that cheats in every way, a foreign notebook, a lesson and a broken file."""
    folder = tmp_path_factory.mktemp("class")
    cells = [cell for cell in solution_cells() if cell["id"] != "13-1-3-check"]
    by_id = {cell["id"]: cell for cell in cells}
    by_id["13-1-1-check"]["metadata"] = {"tags": ["raises-exception"]}
    by_id["13-1-2-check"]["source"] = "# NBVAL_SKIP\n" + by_id["13-1-2-check"]["source"]
    by_id["13-1-4-check"]["source"] = SWALLOWS
    by_id["13-1-5-check"]["source"] = "async def check(*_): ...\n" + by_id["13-1-5-check"]["source"]
    save(folder / "handed_in.ipynb", notebook(cells))
    save(folder / "foreign.ipynb", notebook([code("x", "1 / 0", tags=["raises-exception"])]))
    save(
        folder / "notebooks" / "lesson.ipynb",
        notebook([code("13-1-a", "1"), code("13-1-b", "# NBVAL_SKIP\n1 / 0")]),
    )
    (folder / "broken.ipynb").write_text('{"cells": [')
    return nbval(folder, "-n", "2", "--dist", "loadfile", ".")


def test_notebook_that_cheats_fails_with_a_line_per_exercise(cheated: tuple[int, Outcomes, str]) -> None:
    """A tag, a skip, a deleted cell, a swallowed failure and a redefined check are each named."""
    status, outcomes, _ = cheated

    lines = outcomes["handed_in"]["checks"].splitlines()
    assert status == 1
    assert [line.partition(":")[0] for line in lines] == EXERCISES
    for line, said in zip(
        lines,
        ["raises-exception", "NBVAL_SKIP", "no cell 13-1-3-check", "not attempted", "redefined", "redefined"],
        strict=True,
    ):
        assert said in line


def test_lesson_that_skips_a_cell_fails(cheated: tuple[int, Outcomes, str]) -> None:
    """A lesson's last item names the cell that was not really run."""
    assert "13-1-b" in cheated[1]["lesson"]["checks"]


def test_foreign_notebook_passes_under_the_plugin(cheated: tuple[int, Outcomes, str]) -> None:
    """Others' notebooks are left to nbval alone."""
    assert set(cheated[1]["foreign"].values()) == {""}


def test_broken_notebook_is_one_clear_line(cheated: tuple[int, Outcomes, str]) -> None:
    """Instead of nbformat's traceback, the run says that the file breaks off."""
    assert "broken.ipynb breaks off" in cheated[2]
    assert "Traceback" not in cheated[2]


def test_blank_lab_fails_once_per_exercise(tmp_path: Path) -> None:
    """`pytest --nbval-lax labs` has exactly one failure per exercise, each naming its id."""
    labs = tmp_path / "labs"
    labs.mkdir()
    (labs / "13_01_sqlalchemy_orm.ipynb").write_bytes(
        (ROOT / "labs" / "13_01_sqlalchemy_orm.ipynb").read_bytes()
    )

    status, outcomes, printed = nbval(tmp_path, "labs")

    failures = [text for text in outcomes["13_01_sqlalchemy_orm"].values() if text]
    assert status == 1
    assert len(failures) == len(EXERCISES)
    for exercise, text in zip(EXERCISES, failures, strict=True):
        assert exercise in text
        assert "not attempted" in text
        assert f"{exercise} not attempted" in printed.partition("short test summary")[2]


def test_sound_exercises_pass_and_only_the_missing_are_told(tmp_path: Path) -> None:
    """Two sound checks pass; the last item names the four that are not there."""
    lab_file(tmp_path / "two.ipynb")

    _, outcomes, _ = nbval(tmp_path, "two.ipynb")

    failed = {name: text for name, text in outcomes["two"].items() if text}
    assert list(failed) == ["checks"]
    assert len(failed["checks"].splitlines()) == len(EXERCISES) - 2


def test_plugin_imports_nothing_until_nbval_is_asked_for(tmp_path: Path) -> None:
    """A pytest run without nbval pays for no part of the workbook."""
    script = (
        "import sys, pytest\n"
        "pytest.main(['--collect-only', '-q', '-c', '/dev/null', '-p', 'no:cacheprovider', sys.argv[1]])\n"
        "heavy = {'sqlalchemy', 'fastapi', 'pydantic', 'lab_support.exercises', 'lab_support.grading.nbval_items'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)), 'lab_support.grading.nbval_plugin' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )

    assert "LOADED [] True" in done.stdout


def test_only_what_lies_in_work_counts_as_progress(tmp_path: Path) -> None:
    """An author's and an instructor's runs leave no progress; the student's do, in a folder of work/ too."""
    for folder in ("labs", "notebooks"):
        (tmp_path / folder).mkdir()
    lab_file(tmp_path / "solutions" / "lab.ipynb", keep=["13.1.5"])
    lab_file(tmp_path / "handed in" / "work" / "lab.ipynb", keep=["13.1.5"])
    lab_file(tmp_path / "work" / "week 1" / "lab.ipynb", keep=["13.1.4"])

    nbval(tmp_path, "-n", "2", "--dist", "loadfile", "solutions", "handed in", "work")

    store = ProgressStore(tmp_path / "home" / "progress.db")
    assert [store.passed(exercise) for exercise in ("13.1.4", "13.1.5")] == [True, False]
