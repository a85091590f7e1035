"""What a student types: each verb does its work, says what to do next, and its status tells whether all is well."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab_support.cli import app
from lab_support.settings import get_settings
from tests.support.lab_files import QUICK, ROOT, lab_file

STEM = "13_01_sqlalchemy_orm"
WRONG = {"13-1-5-work": "async def search_products(session, term):\n    return []\n"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in an empty workbook with a progress file of its own."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / f"{STEM}.ipynb").write_bytes((ROOT / "labs" / f"{STEM}.ipynb").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_HOME", str(tmp_path / ".lab"))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def lab(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def one_line(result: Result) -> str:
    """Return the only line that a failed command printed."""
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("lab: ")
    return line


VERBS = ["open", "check", "watch", "hint", "reset", "progress", "serve", "doctor", "build"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    """`lab VERB --help` ends with a line to copy."""
    result = lab(verb, "--help")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].strip().startswith(f"Example: lab {verb}")


def test_command_without_a_verb_lists_all_of_them() -> None:
    """`lab` alone is a request for help."""
    printed = lab().output

    assert all(f"  {verb}" in printed for verb in VERBS)


def test_check_of_one_exercise_prints_its_card_and_succeeds(home: Path) -> None:
    """A pass is a card with its cost, and status 0."""
    lab_file(home / "work" / f"{STEM}.ipynb")

    result = lab("check", "13.1.4")

    assert result.exit_code == 0
    assert result.stdout.startswith("✓ 13.1.4 Orders with their items — passed")
    assert "statement" in result.stdout


def test_check_of_one_exercise_prints_why_it_failed(home: Path) -> None:
    """A failure is the same card as in the notebook, and status 1."""
    lab_file(home / "work" / f"{STEM}.ipynb", change=WRONG)

    result = lab("check", "13.1.5")

    assert result.exit_code == 1
    assert "✗ 13.1.5 A safe search — failed" in result.stdout
    assert "Found" in result.stdout


def test_check_of_a_section_prints_a_line_per_exercise_and_a_sum(home: Path) -> None:
    """Missing checks are named, and the last line says where to look next."""
    lab_file(home / "work" / f"{STEM}.ipynb", change=WRONG)

    result = lab("check", "13.1")

    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert len(lines) == 7
    assert "check cell missing" in lines[0]
    assert lines[3].startswith("✓ 13.1.4")
    assert lines[-1] == "1 of 6 passed. The whole card: `lab check 13.1.1`."


def test_check_as_json_carries_every_record(home: Path) -> None:
    """A machine reads files, states and verdicts; the status is the same."""
    path = lab_file(home / "elsewhere" / "mine.ipynb")

    result = lab("check", "13.1.4", "--json", "--file", str(path))

    (report,) = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["file"] == str(path)
    assert [(one["exercise"], one["passed"]) for one in report["exercises"]] == [("13.1.4", True)]
    assert report["exercises"][0]["verdict"]["cases"]


def test_check_counts_in_the_students_progress(home: Path) -> None:
    """What passes in a terminal is passed in `lab progress` too."""
    lab_file(home / "work" / f"{STEM}.ipynb")

    lab("check", "13.1.5")

    shown = json.loads(lab("progress", "--json").stdout)
    assert shown["passed"] == 1
    assert "13.1.5" in lab("progress").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "work/ holds no lab yet. `lab open`"),
        (("check", "13.1"), "is not there. `lab open`"),
        (("check", "13.1.99"), "There is no exercise 13.1.99"),
        (("check", "14"), "There is no section 14"),
        (("check", "--file", "labs"), "is a folder"),
        (("hint", "13.1.99"), "There is no exercise 13.1.99"),
        (("hint", "nonsense"), "nonsense"),
        (("reset",), "Say what to reset"),
        (("reset", "13.1", "--all"), "Say what to reset"),
        (("reset", "13.11.1"), "There is no section 13.11"),
    ],
    ids=" ".join,
)
def test_mistake_on_the_command_line_is_one_line(home: Path, arguments: tuple[str, ...], said: str) -> None:
    """The line says what is wrong, and the status is 1."""
    assert said in one_line(lab(*arguments))


def test_setting_without_sense_is_one_line_without_its_value(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A LAB_ variable that cannot be used is named; what it holds may be a secret."""
    monkeypatch.setenv("LAB_POOL_SIZE", "hunter2")

    line = one_line(lab("progress"))

    assert "LAB_POOL_SIZE" in line
    assert "hunter2" not in line


def test_command_outside_a_workbook_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without labs/ there is nothing to build or reset."""
    monkeypatch.setattr("lab_support.settings.workbook_root", lambda: tmp_path)

    assert "is not in the workbook" in one_line(lab("build"))


def test_open_in_a_folder_that_cannot_hold_work_is_one_line(home: Path) -> None:
    """A file called work is in the way of the student's copies; nothing is started."""
    (home / "work").write_text("mine")

    assert "work" in one_line(lab("open", "--no-browser"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_build_and_reset_on_a_full_or_read_only_disk_are_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Neither leaves half a file, and both say what to do."""
    lab_file(home / "solutions" / f"{STEM}.ipynb", keep=QUICK)
    before = (home / "labs" / f"{STEM}.ipynb").read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    lines = [one_line(lab("build")), one_line(lab("reset", "13.1"))]

    said = {errno.ENOSPC: "the disk is full", errno.EROFS: "read-only"}[number]
    assert all(said in line for line in lines)
    assert (home / "labs" / f"{STEM}.ipynb").read_bytes() == before
    assert not (home / "work" / f"{STEM}.ipynb").exists()


def test_hints_come_one_by_one(home: Path) -> None:
    """Each call gives the next hint."""
    first, second = lab("hint", "13.1.4").stdout, lab("hint", "13.1.4").stdout

    assert first.startswith("Hint 1 of 3 for 13.1.4")
    assert second.startswith("Hint 2 of 3 for 13.1.4")


def test_reset_of_an_exercise_keeps_a_copy_and_says_where(home: Path) -> None:
    """The work cell is blank again; the line names the copy."""
    work = lab_file(home / "work" / f"{STEM}.ipynb", change={"13-1-4-work": "mine = 1"})

    result = lab("reset", "13.1.4")

    (kept,) = [path for path in work.parent.iterdir() if path != work]
    assert result.exit_code == 0
    assert result.stdout == f"13.1.4 is as it was in the lab; your version is kept as {kept.name}.\n"
    assert "mine = 1" in kept.read_text()
    assert "mine = 1" not in work.read_text()


def test_reset_of_everything_restores_every_lab(home: Path) -> None:
    """`--all` makes missing copies, too."""
    result = lab("reset", "--all")

    assert result.exit_code == 0
    assert (home / "work" / f"{STEM}.ipynb").read_bytes() == (home / "labs" / f"{STEM}.ipynb").read_bytes()


def test_build_writes_the_labs_and_check_finds_what_differs(home: Path) -> None:
    """`lab build` makes labs/ from solutions/; a second build has nothing to do."""
    lab_file(home / "solutions" / f"{STEM}.ipynb", keep=QUICK)

    first, second = lab("build"), lab("build")

    assert f"wrote labs/{STEM}.ipynb" in first.stdout
    assert second.stdout.startswith("0 file(s) changed")


def test_build_check_fails_with_a_line_per_finding(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings go to standard error, and the status is 1."""
    from lab_support.authoring import Finding

    found = [
        Finding("13.1.4", "it is wrong", "Mend it."),
        Finding("labs/x.ipynb", "it differs", "`lab build`."),
    ]
    monkeypatch.setattr("lab_support.authoring.agreement.check_workbook", lambda *_: found)

    result = lab("build", "--check")

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "13.1.4: it is wrong. Mend it.",
        "labs/x.ipynb: it differs. `lab build`.",
    ]


def test_doctor_as_json_agrees_with_its_status(home: Path) -> None:
    """Status 0 exactly when nothing must be mended."""
    result = lab("doctor", "--json")

    diagnosis = json.loads(result.stdout)
    assert diagnosis["findings"]
    assert result.exit_code == (0 if diagnosis["ok"] else 1)
