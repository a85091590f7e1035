"""What Tab offers, asked as each shell asks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lab_files import ROOT, code, notebook, save

SHELLS = ("bash", "zsh", "fish")
SECTIONS = {"13.1": ["13.1.1", "13.1.2"], "13.2": ["13.2.1"], "13.10": ["13.10.1"]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give a workbook whose labs have a title and tasks."""
    (tmp_path / "notebooks").mkdir()
    for section, exercises in SECTIONS.items():
        cells = [text("title", f"# Lab {section} · All of {section}\n\nWords.")]
        cells += [text(f"{one}-task", f"## {one} · What `{one}` asks\n\nWords.") for one in exercises]
        save(tmp_path / "labs" / f"{section}.ipynb", notebook([*cells, code("x", "1")]))
    (tmp_path / "labs" / "damaged.ipynb").write_text("{")
    return tmp_path


def text(cell_id: str, source: str) -> dict[str, object]:
    """Return a cell of prose."""
    return {"cell_type": "markdown", "id": cell_id, "metadata": {}, "source": source}


def lab(home: Path, *arguments: str, **environment: str) -> str:
    """Run the command in a workbook and return what it printed."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), **environment}
    command = [sys.executable, "-m", "lab_support.cli", *arguments]
    done = subprocess.run(command, cwd=home, env=variables, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def offered(home: Path, shell: str, typed: str) -> list[str]:
    """Return what a shell would offer after what was typed, by that shell's own protocol."""
    words = typed.split(" ")
    asked = {
        "bash": {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": typed},
        "fish": {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    printed = lab(home, _LAB_COMPLETE=f"complete_{shell}", **asked)
    if shell == "zsh":
        return [line.split('"')[1] for line in printed.splitlines() if '"' in line]
    return [line.split("\t")[0] for line in printed.splitlines() if line]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("lab che", ["check"]),
        ("lab check 13.1.", ["13.1.1", "13.1.2"]),
        ("lab check 13.2", ["13.2", "13.2.1"]),
        ("lab check 13", ["13.1", "13.10", "13.2"]),
        ("lab check 13.7", []),
        ("lab watch 13.1.2", ["13.1.2"]),
        ("lab reset 13.10.", ["13.10.1"]),
        ("lab hint 13.1.", ["13.1.1", "13.1.2"]),
    ],
)
def test_tab_offers_verbs_sections_and_exercises(
    home: Path, shell: str, typed: str, wanted: list[str]
) -> None:
    """A section is offered before its exercises, and a damaged lab offers nothing."""
    assert sorted(offered(home, shell, typed)) == wanted


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_shells_that_show_titles_get_them(home: Path, shell: str) -> None:
    """Zsh and fish show a line about each offer."""
    action = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}

    printed = lab(home, _LAB_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_ARGS="lab hint 13.2.", **action)

    assert "What 13.2.1 asks" in printed


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_can_be_shown_and_installed(home: Path, shell: str) -> None:
    """The script asks by the variable that the command answers, and it goes below the home folder alone."""
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # so that the shell can be named
    script = lab(home, "--show-completion", shell, **named)
    before = {path for path in home.rglob("*") if path.is_file()}
    lab(home, "--install-completion", shell, **named)
    written = [path.read_text() for path in home.rglob("*") if path.is_file() and path not in before]

    assert f"_LAB_COMPLETE=complete_{shell}" in script
    assert any(f"_LAB_COMPLETE=complete_{shell}" in one for one in written)


def test_tab_waits_for_no_library(home: Path) -> None:
    """Neither SQLAlchemy nor FastAPI nor IPython is imported for a Tab."""
    script = (
        "import atexit, json, sys\n"
        "heavy = {'sqlalchemy', 'fastapi', 'IPython', 'nbformat'}\n"
        "atexit.register(lambda: print('LOADED', json.dumps(sorted(heavy & set(sys.modules)))))\n"
        "from lab_support.cli import main\nsys.argv = ['lab']\nmain()\n"
    )
    asked = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": "lab check 13.1.", "COMP_CWORD": "2"}
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **asked}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=home, env=variables, capture_output=True, text=True, timeout=60)

    assert json.loads(done.stdout.partition("LOADED ")[2]) == []
    assert done.stdout.startswith("13.1.1\n")
