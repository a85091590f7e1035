"""What `make lab` does to `.venv`: the scripts run with a stand-in for Python that writes a diary."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stand_in import FAKE_PYTHON, Workbook, add_python


def test_first_call_installs_the_package_with_its_pins(workbook: Workbook, python3: Path) -> None:
    """A folder with spaces, accents, an apostrophe: one environment, one installation, then JupyterLab."""
    run = workbook.make("lab", "PORT=8899", "BROWSER=0")

    assert run.returncode == 0, run.stderr
    diary = workbook.diary.read_text()
    assert "python3 -m venv .venv" in diary
    assert "--constraint constraints.txt --editable .[postgres]" in diary
    last = diary.splitlines()[-1]
    assert "-m jupyterlab --port=8899" in last
    assert "--no-browser" in last
    assert ("--allow-root" in last) == (os.geteuid() == 0)
    assert "token" not in last


def test_second_call_installs_nothing(workbook: Workbook, python3: Path) -> None:
    """With nothing changed, the second call starts no Python but the work folder's and JupyterLab's."""
    workbook.make("lab")
    workbook.diary.unlink()

    workbook.make("lab", "BROWSER=1")

    started = workbook.diary.read_text().splitlines()
    assert [line.split()[1:3] for line in started] == [
        ["-I", "lab_support/workbook/workfolder.py"],
        ["-m", "jupyterlab"],
    ]
    assert "--no-browser" not in started[-1]


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", ".venv/pyvenv.cfg"])
def test_changed_needs_are_installed_again(changed: str, workbook: Workbook, python3: Path) -> None:
    """Another need, another pin or another Python in .venv: the next call installs, without a new .venv."""
    workbook.make("lab")
    with (workbook.folder / changed).open("a") as file:
        file.write("# changed\n")

    workbook.make("lab")

    assert workbook.done("pip install") == 2
    assert workbook.done("-m venv") == 1


def test_tests_environment_serves_students_too(workbook: Workbook, python3: Path) -> None:
    """After the developers' installation `make lab` has nothing to install; the reverse does not hold."""
    workbook.make("fix")
    assert workbook.done("pip install") == 1
    workbook.make("lab")
    assert workbook.done("pip install") == 1

    workbook.make("clean")
    workbook.make("lab")
    workbook.make("fix")
    assert workbook.done("--editable .[postgres]") == 1
    assert workbook.done("--editable .[dev]") == 2


def test_moved_folder_gets_a_new_environment(workbook: Workbook, python3: Path) -> None:
    """An environment knows its folder's old name, so after a move it is built anew."""
    workbook.make("lab")
    workbook.folder = workbook.folder.rename(workbook.folder.with_name("elsewhere"))

    workbook.make("lab")

    assert workbook.done("-m venv") == 2


def test_failed_installation_is_tried_again(workbook: Workbook, python3: Path) -> None:
    """When pip fails, the call fails with what to do next, and the next call installs again."""
    failed = workbook.make("lab", FAKE_PIP_STATUS="1")

    assert failed.returncode != 0
    assert "run 'make lab' again" in failed.stderr
    assert workbook.done("jupyterlab") == 0
    assert workbook.make("lab").returncode == 0


def test_named_python_replaces_another_version(workbook: Workbook, python3: Path) -> None:
    """`make lab PYTHON=…` builds .venv with that Python when it has another version, and only then."""
    workbook.make("lab")
    other = add_python(workbook, "other python", FAKE_PYTHON)

    workbook.make("lab", f"PYTHON={other}", FAKE_VERSION="3.12")
    workbook.make("lab", f"PYTHON={other}", FAKE_VERSION="3.12")

    assert workbook.done("-m venv") == 2
    assert workbook.done("other python -m venv .venv") == 1


def test_python_without_venv_names_the_package(workbook: Workbook, python3: Path) -> None:
    """Debian's bare python3 is told in one line which package to install; nothing is left behind."""
    run = workbook.make("lab", FAKE_NO_VENV="1")

    assert run.returncode != 0
    first = run.stderr.splitlines()[0]
    assert "python3 cannot build environments" in first
    assert first.endswith("Run: apt-get install python3-venv")
    assert not (workbook.folder / ".venv").exists()


def test_second_python_is_taken_when_the_first_is_old(workbook: Workbook) -> None:
    """An old python3, or a launcher that fails, does not stop the search."""
    add_python(workbook, "python3", FAKE_PYTHON.replace("${FAKE_TOO_OLD:-0}", "1"))
    add_python(workbook, "python3.13", "#!/bin/sh\necho 'command not found' >&2; exit 127\n")
    add_python(workbook, "python3.12")

    assert workbook.make("lab").returncode == 0
    assert workbook.done("python3.12 -m venv .venv") == 1


def test_machine_without_python_is_told_what_to_install(workbook: Workbook) -> None:
    """No Python at all: one line, with the packages and the way to name another Python."""
    run = workbook.make("lab")

    assert run.returncode != 0
    assert "found no Python 3.11, 3.12 or 3.13. Run: apt-get install python3 python3-venv" in run.stderr


def test_named_python_that_is_unfit_is_refused(workbook: Workbook, python3: Path) -> None:
    """A PYTHON that does not run is named, instead of another being taken silently."""
    run = workbook.make("lab", "PYTHON=python9")

    assert run.returncode != 0
    assert "PYTHON=python9 is not a Python 3.11, 3.12 or 3.13 that runs" in run.stderr


def test_port_that_is_no_number_is_refused(workbook: Workbook, python3: Path) -> None:
    """`PORT=abc` ends in one line before anything starts."""
    run = workbook.make("lab", "PORT=abc")

    assert run.returncode != 0
    assert "PORT=abc is not a port number. Try: make lab PORT=8899" in run.stderr
    assert workbook.done("jupyterlab") == 0


@pytest.mark.parametrize(("given", "handed_on"), [("1", "none"), ("0", "none"), ("firefox", "firefox")])
def test_favourite_browser_reaches_jupyter(
    given: str, handed_on: str, workbook: Workbook, python3: Path
) -> None:
    """BROWSER is also the variable that names a user's browser: that name is handed on, our 0 and 1 are not."""
    tells = FAKE_PYTHON.replace('"$DIARY"\n', '"$DIARY"; echo "browser ${BROWSER:-none}" >> "$DIARY"\n', 1)
    add_python(workbook, "python3", tells)

    workbook.make("lab", BROWSER=given)

    assert workbook.diary.read_text().splitlines()[-1] == f"browser {handed_on}"
    assert ("--no-browser" in workbook.diary.read_text()) == (given == "0")


def test_clean_keeps_the_students_own(workbook: Workbook, python3: Path) -> None:
    """`make clean` removes the environment; work/ and .lab/ stay."""
    workbook.make("lab")
    for mine in ("work", ".lab"):
        (workbook.folder / mine).mkdir()

    assert workbook.make("clean").returncode == 0

    assert not (workbook.folder / ".venv").exists()
    assert (workbook.folder / "work").is_dir()
    assert (workbook.folder / ".lab").is_dir()


def test_make_alone_lists_every_command(workbook: Workbook) -> None:
    """The default target names each command with a line of help, and does nothing."""
    run = workbook.make()

    for command in ("lab", "test", "bench", "torture", "fix", "clean"):
        assert f"  make {command} " in run.stdout
    assert not workbook.diary.exists()
