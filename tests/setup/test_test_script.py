"""What `make test` runs, where it stops, and what it says last: shown with stand-ins for the tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_in import Workbook, add_python

# Each tool writes the diary, says a line as pytest would, and fails when its command holds $FAKE_FAIL.
FAKE_TOOLS = """#!/bin/sh
echo "${0##*/} $*" >> "$DIARY"
case "$*" in
    *nbval*) echo "== 40 passed in 9.00s ==" ;;
    *pytest*) echo "== 300 passed, 2 skipped in 60.00s ==" ;;
esac
case "$0 $*" in *"${FAKE_FAIL:-nothing fails}"*) exit 3 ;; esac
"""
STEPS = [
    "ruff check .",
    "ruff format --check .",
    "mypy --strict",
    "lint-imports",
    "-n 2 tests",
    "--nbval-lax",
    "build --check",
]


@pytest.fixture
def built(workbook: Workbook, python3: Path) -> Workbook:
    workbook.make("fix")
    for name in ("python", "lint-imports", "lab"):
        add_python(workbook, "tool", FAKE_TOOLS).rename(workbook.folder / ".venv" / "bin" / name)
    workbook.diary.unlink()
    return workbook


def test_every_step_runs_in_order(built: Workbook) -> None:
    """Style, types, layers, tests, notebooks, agreement: each under its heading, pytest's closing lines shown last."""
    run = built.make("test")

    assert run.returncode == 0, run.stderr
    diary = built.diary.read_text().splitlines()
    assert [step for line in diary for step in STEPS if step in line] == STEPS
    assert run.stdout.count("\n=== ") == len(STEPS) + 1
    assert run.stdout.endswith(
        "notebooks  == 40 passed in 9.00s ==\ntests      == 300 passed, 2 skipped in 60.00s ==\n"
    )


@pytest.mark.parametrize("step", STEPS)
def test_first_failure_ends_the_run(step: str, built: Workbook) -> None:
    """Whatever step fails, the run fails, names it with its status, and starts none of the later ones."""
    run = built.make("test", FAKE_FAIL=step)

    assert run.returncode != 0
    assert "(status 3)" in run.stderr
    assert step in built.diary.read_text().splitlines()[-1]
    assert "all passed" not in run.stdout


def test_torture_without_tests_says_so(built: Workbook) -> None:
    """Pytest's status 5, nothing collected, is told plainly and is no failure; any other status is kept."""
    add_python(built, "tool", "#!/bin/sh\nexit $FAKE_STATUS\n").rename(
        built.folder / ".venv" / "bin" / "python"
    )

    nothing, failing = (built.make("torture", FAKE_STATUS=status) for status in ("5", "1"))

    assert (nothing.returncode, nothing.stdout) == (0, "make torture: no test is marked torture yet.\n")
    assert failing.returncode != 0


def test_ci_requires_servers_from_any_folder(built: Workbook, tmp_path: Path) -> None:
    """`.ci/run` finds the project by its own place and asks for servers unless told otherwise."""
    asked = '#!/bin/sh\necho "$LAB_REQUIRE_SERVICES $*" >> "$DIARY"\n'
    add_python(built, "tool", asked).rename(built.folder / ".venv" / "bin" / "python")
    add_python(built, "chromium", "#!/bin/sh\n")

    built.run(str(built.folder / ".ci" / "run"), cwd=tmp_path)
    built.run(str(built.folder / ".ci" / "run"), cwd=tmp_path, LAB_REQUIRE_SERVICES="0")

    required = [line.split()[0] for line in built.diary.read_text().splitlines() if "ruff check" in line]
    assert required == ["1", "0"]
