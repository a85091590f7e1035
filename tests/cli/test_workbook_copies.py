"""A student's workbook need not be a clone, nor its labs be called what they were: every verb works all the same."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab_support.exercises.registry import STEMS
from tests.support.lab_files import ROOT, code, lab_file, notebook, save

STEM = STEMS["13.1"]
WRONG = {"13-1-5-work": "async def search_products(session, term):\n    return []\n"}
VERDICT = {
    "type": ["object", "null"],
    "required": ["exercise", "title", "state", "cases", "causes", "cost", "ms", "not_run", "printed"],
}
EXERCISE = {
    "type": "object",
    "required": ["exercise", "title", "state", "passed", "message", "verdict"],
    "additionalProperties": False,
    "properties": {
        "exercise": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "title": {"type": "string", "minLength": 1},
        "state": {
            "enum": [
                "passed", "failed", "error in your code", "timed out", "not attempted", "check cell missing",
                "check did not run",
            ]
        },
        "passed": {"type": "boolean"},
        "message": {"type": "string", "pattern": r"^[^\n]*$"},
        "verdict": VERDICT,
    },
}  # fmt: skip
REPORTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["file", "passed", "exercises"],
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string"},
            "passed": {"type": "boolean"},
            "exercises": {"type": "array", "items": EXERCISE, "minItems": 1},
        },
    },
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a copy of the workbook's folders, without git, under a name with a space and an accent."""
    home = tmp_path / "mein Übungsbuch"
    for folder in ("labs", "notebooks", "solutions"):
        shutil.copytree(ROOT / folder, home / folder)
    assert not list(home.rglob(".git"))
    return home


def lab(home: Path, *arguments: str, status: int = 0, folder: str = ".") -> subprocess.CompletedProcess[str]:
    """Run the command in a folder of the workbook, with nothing set but where the package is."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LAB_HOME")}
    done = subprocess.run(
        [sys.executable, "-m", "lab_support.cli", *arguments],
        cwd=home / folder,
        env={**variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def source(path: Path, cell_id: str) -> str:
    """Return the source of one cell."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return next("".join(cell["source"]) for cell in cells if cell["id"] == cell_id)


def test_every_verb_works_in_a_copy_without_git(home: Path) -> None:
    """Check, progress, hint and reset use the copy's own folders, also from a folder below."""
    work = lab_file(home / "work" / f"{STEM}.ipynb")

    assert lab(home, "check", "13.1.5", folder="work").stdout.startswith("✓ 13.1.5")
    assert json.loads(lab(home, "progress", "--json").stdout)["passed"] == 1
    assert lab(home, "hint", "13.1.4").stdout.startswith("Hint 1 of 3")
    assert "your version is kept as" in lab(home, "reset", "13.1.5").stdout

    assert source(work, "13-1-5-work") == source(home / "labs" / work.name, "13-1-5-work")
    assert (home / ".lab" / "progress.db").exists()


@pytest.mark.parametrize("name", ["meins.ipynb", "week 1/first try.ipynb"])
def test_renamed_or_moved_lab_is_checked_and_reset_where_it_is(home: Path, name: str) -> None:
    """A fresh copy beside it, as `lab open` makes, is not taken for the student's work."""
    work = lab_file(home / "work" / name, change=WRONG)
    shutil.copy(home / "labs" / f"{STEM}.ipynb", home / "work")

    checked = lab(home, "check", "13.1.5", status=1)
    assert "✗ 13.1.5 A safe search — failed" in checked.stdout
    assert checked.stderr == f"lab: 2 notebooks in work/ hold section 13.1; this is about work/{name}.\n"
    assert "kept as" in lab(home, "reset", "13.1.5").stdout

    assert "NotImplementedError" in source(work, "13-1-5-work")
    assert lab(home, "check", "13.1.4").stdout.startswith("✓")


def test_check_of_everything_finds_labs_by_their_cells(home: Path) -> None:
    """Without a target, each section's lab is checked once, and the student's other notebooks are not."""
    lab_file(home / "work" / "meins.ipynb")
    save(home / "work" / "notes.ipynb", notebook([code("mine", "1 / 0")]))

    (report,) = json.loads(lab(home, "check", "--json", status=1).stdout)

    assert report["file"].endswith("meins.ipynb")


@pytest.mark.parametrize(
    "change",
    [{}, WRONG, {"13-1-5-work": "1 / 0"}, {"13-1-5-work": "search_products = ..."}, {"13-1-5-check": "pass"}],
    ids=["passed", "failed", "error", "not-attempted", "silent"],
)
def test_json_of_a_check_has_the_shape_that_help_describes(home: Path, change: dict[str, str]) -> None:
    """Whatever the outcome, a machine finds the same keys, and a section's missing checks among them."""
    lab_file(home / "work" / f"{STEM}.ipynb", change=change)

    reports = json.loads(lab(home, "check", "13.1", "--json", status=1).stdout)
    described = " ".join(lab(home, "check", "--help").stdout.split())

    jsonschema.validate(reports, REPORTS)
    assert [one["exercise"] for one in reports[0]["exercises"]] == [f"13.1.{at}" for at in range(1, 7)]
    named: list[Any] = [*REPORTS["items"]["properties"], *EXERCISE["properties"]]  # type: ignore[index, call-overload]
    assert [key for key in named if f'"{key}"' not in described] == []
    assert all(state in described for state in EXERCISE["properties"]["state"]["enum"])  # type: ignore[index]


def test_reset_of_everything_restores_each_section_where_it_is(home: Path) -> None:
    """Renamed labs keep their names, and no copy takes the place of another, however often one resets."""
    for stem in (STEMS["13.2"], STEMS["13.3"]):
        if not (home / "labs" / f"{stem}.ipynb").exists():
            cells = [code(f"{stem[:2]}-{int(stem[3:5])}-1-work", "..."), code("x", "1")]
            save(home / "labs" / f"{stem}.ipynb", notebook(cells))
    first = lab_file(home / "work" / "meins.ipynb", change={"13-1-4-work": "first = 1"})
    labs = {path.name for path in (home / "labs").iterdir()}

    lab(home, "reset", "--all")
    lab_file(first, change={"13-1-4-work": "second = 2"})
    lab(home, "reset", "13.1.4")
    lab_file(first, change={"13-1-4-work": "third = 3"})
    lab(home, "reset", "13.1")

    kept = [path.read_text("utf-8") for path in (home / "work").glob("meins.2*.ipynb")]
    assert [sum(mine in text for text in kept) for mine in ("first = 1", "second = 2", "third = 3")] == [
        1,
        1,
        1,
    ]
    assert first.read_bytes() == (home / "labs" / f"{STEM}.ipynb").read_bytes()
    restored = {path.name for path in (home / "work").glob("13_*.ipynb")}
    assert restored <= labs
    assert f"{STEM}.ipynb" not in restored


def test_checking_the_workbooks_own_notebooks_is_nobodys_progress(home: Path) -> None:
    """A solution that is checked by its file leaves no progress; the student's own file anywhere does."""
    elsewhere = lab_file(home.parent / "mine.ipynb")

    lab(home, "check", "13.1.5", "--file", f"solutions/{STEM}.ipynb")
    nothing = json.loads(lab(home, "progress", "--json").stdout)["passed"]
    lab(home, "check", "13.1.5", "--file", str(elsewhere))

    assert (nothing, json.loads(lab(home, "progress", "--json").stdout)["passed"]) == (0, 1)
