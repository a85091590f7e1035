"""`lab build --run` renews what lessons show, and leaves a lesson that fails as it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab_support.cli import app
from lab_support.settings import get_settings
from lab_support.workbook.progress_store import ProgressStore
from tests.support.lab_files import code, notebook, save

OLD = {"output_type": "stream", "name": "stdout", "text": "old\n"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in a workbook without labs, whose author has passed an exercise."""
    for folder in ("labs", "notebooks", "solutions"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_HOME", str(tmp_path / ".lab"))
    get_settings.cache_clear()
    ProgressStore(tmp_path / ".lab" / "progress.db").record_attempt("13.1.5", "passed", None, 1.0)
    yield tmp_path
    get_settings.cache_clear()


def lesson(home: Path, name: str, *sources: str) -> Path:
    """Save a lesson with outputs of an earlier run."""
    cells = [{**code(f"13-1-{at}", source), "outputs": [OLD]} for at, source in enumerate(sources)]
    return save(home / "notebooks" / name, notebook(cells))


def build(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["build", *arguments], catch_exceptions=False)


def printed(path: Path) -> str:
    """Return what a notebook's cells show on standard output."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "".join("".join(output["text"]) for cell in cells for output in cell["outputs"])


def test_run_renews_outputs_and_tidies(home: Path) -> None:
    """Outputs and counts are those of one run from the first cell to the last, in the lesson's own folder."""
    path = lesson(
        home, "13_01_lesson.ipynb", "here = 6", "import os\nprint(here * 7, os.path.basename(os.getcwd()))"
    )

    result = build("--run")

    content = json.loads(path.read_text("utf-8"))
    assert result.exit_code == 0
    assert "ran notebooks/13_01_lesson.ipynb" in result.stdout
    assert printed(path) == "42 notebooks\n"
    assert [cell["execution_count"] for cell in content["cells"]] == [1, 2]
    assert {tuple(cell["metadata"]) for cell in content["cells"]} == {()}
    assert content["metadata"]["language_info"] == {"name": "python"}


def test_run_is_nobodys_progress_and_shows_nobodys(home: Path) -> None:
    """A lesson's check leaves no trace, and the author's own progress is not in the outputs."""
    path = lesson(
        home,
        "00_start.ipynb",
        "from lab_support.workbook import check, hint, progress",
        'hint("13.1.4")\nprint(progress("13.1").as_dict()["passed"])',
        'try:\n    await check("13.1.4", ...)\nexcept Exception as error:\n    print(type(error).__name__)',
    )
    before = (home / ".lab" / "progress.db").read_bytes()

    build("--run")

    assert printed(path) == "0\nCheckFailed\n"
    assert (home / ".lab" / "progress.db").read_bytes() == before


def test_lesson_that_fails_is_named_and_left_as_it_was(home: Path) -> None:
    """One line names the cell and the error; the lesson after it is not run."""
    bad = lesson(home, "13_01_a.ipynb", "1 + 1", "raise ValueError('no such shop')")
    after = lesson(home, "13_02_b.ipynb", "print('new')")
    before = bad.read_bytes()

    result = build("--run")

    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1
    assert "13-1-1" in line
    assert "ValueError: no such shop" in line
    assert bad.read_bytes() == before
    assert printed(after) == "old\n"


def test_only_the_lessons_asked_for_are_run(home: Path) -> None:
    """`--only 13.2` runs the second; a section without a lesson is an error."""
    first = lesson(home, "13_01_a.ipynb", "print('new')")
    second = lesson(home, "13_02_b.ipynb", "print('new')")

    assert build("--run", "--only", "13.2").exit_code == 0
    assert (printed(first), printed(second)) == ("old\n", "new\n")
    assert "no lesson of 13.11" in build("--run", "--only", "13.11").stderr


def test_contradictory_options_are_refused(home: Path) -> None:
    """Checking writes nothing, so it runs nothing either."""
    assert "Say `lab build`" in build("--run", "--check").stderr
    assert "Say `lab build`" in build("--only", "13.1").stderr
