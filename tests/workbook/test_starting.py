"""The first cell of a notebook, in good surroundings and in bad ones."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from provocations import closed_port

from lab_support import __version__
from lab_support.database import EmbeddedPostgres
from lab_support.settings import get_settings
from lab_support.workbook.environment import CONNECT_LIMIT_S
from lab_support.workbook.run_folders import remove_run_folder
from lab_support.workbook.starting import SECTIONS, StartError, run_folder, start

LIMIT_S = 30


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No `LAB_` variable but a home of the test's own."""
    for name in os.environ:
        if name.startswith("LAB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield tmp_path
    remove_run_folder()
    get_settings.cache_clear()


def refused(section: str = "13.1") -> str:
    """Start in vain and return the one line that says why."""
    with pytest.raises(StartError) as caught:
        start(section)
    (line,) = caught.value._render_traceback_()
    assert "\n" not in line
    return line.removeprefix("✗ ")


def test_start_prints_one_line_of_versions_and_databases(capsys: pytest.CaptureFixture[str]) -> None:
    """Section, package, Python, SQLAlchemy, FastAPI, SQLite and PostgreSQL stand in one line."""
    start("13.1", made_for="0.1")

    (line, *notes) = capsys.readouterr().out.splitlines()
    postgresql = "PostgreSQL in the box" if EmbeddedPostgres.available() else "no PostgreSQL"
    assert line.split(" · ") == [
        "Section 13.1",
        f"lab_support {__version__}",
        f"Python {sys.version.split()[0]}",
        f"SQLAlchemy {version('sqlalchemy')}",
        f"FastAPI {version('fastapi')}",
        f"SQLite {sqlite3.sqlite_version}",
        postgresql,
    ]
    assert len(notes) == (0 if EmbeddedPostgres.available() else 1)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_can_be_started(section: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The introduction and the ten sections begin."""
    start(section)

    assert capsys.readouterr().out.startswith(f"Section {section} · ")


def test_unknown_section_lists_those_there_are() -> None:
    """A wrong number is answered by one line with the right ones."""
    assert refused("13.11") == (
        "There is no section '13.11'. The sections are 00, 13.1, 13.2, 13.3, 13.4, 13.5, 13.6, 13.7, 13.8, "
        "13.9, 13.10."
    )


@pytest.mark.parametrize(
    ("made_for", "agrees"), [(__version__, True), ("0.1", True), ("0.2", False), ("1", False)]
)
def test_notebook_of_another_version_is_noted(
    made_for: str, agrees: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line names both versions and the command, as far as the notebook names its own."""
    start("13.1", made_for=made_for)

    notes = [line for line in capsys.readouterr().out.splitlines() if "was made for" in line]
    assert len(notes) == (0 if agrees else 1)
    assert agrees or (made_for in notes[0] and __version__ in notes[0] and "`make lab`" in notes[0])


def test_run_folder_is_empty_and_renewed_by_each_start(surroundings: Path) -> None:
    """A lesson's files are gone when its first cell runs again."""
    start("13.1")
    first = run_folder()
    (first / "shop.db").write_text("rows of the last run")
    again = run_folder()
    start("13.1")

    assert again == first
    assert first.is_relative_to(surroundings / "home" / "run")
    assert not first.exists()
    assert run_folder() != first
    assert list(run_folder().iterdir()) == []


def test_run_folder_is_private() -> None:
    """Other users of the machine can't read a lesson's databases."""
    start("13.4")

    assert run_folder().stat().st_mode & 0o077 == 0


def in_a_process(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", f"from lab_support.workbook.starting import *\n{code}"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return run.stdout


def test_run_folder_goes_with_its_process() -> None:
    """At the kernel's normal end nothing stays behind."""
    folder = in_a_process("(run_folder() / 'shop.db').touch(); print(run_folder(), run_folder().is_dir())")

    path, existed = folder.split()
    assert existed == "True"
    assert not Path(path).exists()


def test_folder_of_a_killed_kernel_is_swept_up(surroundings: Path) -> None:
    """What a SIGKILL left is removed by the next start; a living neighbour's folder stays."""
    in_a_process("import os, signal; run_folder(); os.kill(os.getpid(), signal.SIGKILL)")
    home = surroundings / "home" / "run"
    (orphan,) = home.iterdir()
    neighbour = home / f"13.2-{os.getppid()}-abc"
    neighbour.mkdir()

    start("13.1")

    assert not orphan.exists()
    assert neighbour.is_dir()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LAB_DATABASE_URL", "postgresql:/hunter2", "is not a database URL"),
        ("LAB_DATABASE_URL", "hunter2", "is not a database URL"),
        ("LAB_DATABASE_URL", "postgresql+asyncpg://lab:hunter2@db:port/shop", "is not a database URL"),
        ("LAB_DATABASE_URL", "oracle://lab:hunter2@db/shop", "No database called 'oracle' is known here"),
        ("LAB_DATABASE_URL", "postgresql+psycopg2://lab:hunter2@db/shop", "Write postgresql+asyncpg://"),
        ("LAB_DATABASE_URL", "sqlite+aiosqlite:////no/such/folder/shop.db", "/no/such/folder does not exist"),
        ("LAB_POSTGRES_URL", "mysql+aiomysql://lab:hunter2@localhost/shop", "is not a postgresql URL"),
        ("LAB_MARIADB_URL", "postgresql+asyncpg://lab:hunter2@localhost/shop", "is not a mysql URL"),
        ("LAB_POOL_SIZE", "many", "should be a valid integer"),
        ("LAB_POOL_SIZE", "0", "greater than or equal to 1"),
        ("LAB_POOL_TIMEOUT_S", "-1", "greater than 0"),
    ],
)
def test_wrong_variable_is_one_line_without_secrets(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, the password is not, and nothing has been started."""
    monkeypatch.setenv(name, value)

    line = refused()

    assert line.startswith(f"{name}: ")
    assert told in line
    assert "hunter2" not in line


@pytest.mark.parametrize("scheme", ["postgresql+asyncpg", "mysql+aiomysql"])
def test_silent_server_is_one_line_without_secrets(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is named by host and port before any lesson relies on it."""
    port = closed_port()
    monkeypatch.setenv("LAB_DATABASE_URL", f"{scheme}://lab:hunter2@127.0.0.1:{port}/shop")

    line = refused()

    assert line.startswith(f"LAB_DATABASE_URL: no server answers at 127.0.0.1:{port}, connection refused")
    assert "lab:***@" in line
    assert "unset it" in line
    assert "hunter2" not in line
    assert CONNECT_LIMIT_S <= 2


def test_database_by_url_is_shown_masked(
    surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line tells which database the store uses, and the environment is read afresh by each start."""
    monkeypatch.setenv("LAB_DATABASE_URL", f"sqlite:///{surroundings / 'shop.db'}?password=hunter2")
    start("13.1")

    shown = capsys.readouterr().out
    assert f"the store on sqlite+aiosqlite:///{surroundings / 'shop.db'}" in shown
    assert "hunter2" not in shown


def test_misspelt_variable_is_noted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A near miss of a setting's name is pointed out; other `LAB_` variables are nobody's business."""
    monkeypatch.setenv("LAB_DATABSE_URL", "sqlite:///shop.db")
    monkeypatch.setenv("LAB_REQUIRE_SERVICES", "1")
    start("13.1")

    notes = re.findall(r"Note: (LAB_.*)", capsys.readouterr().out)
    assert notes == [
        "LAB_DATABSE_URL is not a setting of the workbook and is ignored; did you mean LAB_DATABASE_URL?"
    ]


def test_home_that_cannot_be_written_costs_one_line(
    surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lesson still runs, with its files among the temporary ones, and says so."""
    (surroundings / "file").write_text("in the way")
    monkeypatch.setenv("LAB_HOME", str(surroundings / "file" / "home"))

    start("13.1")

    assert f"Note: {surroundings / 'file' / 'home'} can't be written" in capsys.readouterr().out
    assert run_folder().is_dir()


def test_start_in_a_kernel_turns_explanations_on_and_cleans_up(surroundings: Path) -> None:
    """In a notebook the first cell is enough: errors are explained, and shutting down removes the data."""
    manager, client = start_new_kernel(startup_timeout=LIMIT_S, cwd=str(surroundings))
    try:
        began = client.execute_interactive(
            "from lab_support.workbook.starting import run_folder, start\nstart('13.1')",
            timeout=LIMIT_S,
            output_hook=lambda message: None,
        )
        unchecked = client.execute_interactive(
            "check('13.1.1', object)", timeout=LIMIT_S, output_hook=lambda message: None
        )
        folders = list((surroundings / "home" / "run").iterdir())
        failed = client.execute_interactive(
            "async def total(): pass\ntotal().cents", timeout=LIMIT_S, output_hook=lambda message: None
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
        manager.cleanup_resources()

    assert began["content"]["status"] == "ok"
    assert len(folders) == 1
    assert failed["content"]["traceback"][0].startswith("What happened: An `async def` function")
    assert unchecked["content"]["traceback"] == [
        "✗ Nothing was checked: put `await` in front, as in `await check('13.1.1', object)`."
    ]
    assert not folders[0].exists()
