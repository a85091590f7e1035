"""The progress file: kept by several notebooks at once, and never in a check's way."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from lab_support.exercises.verdict import State
from lab_support.settings import get_settings
from lab_support.workbook.progress_file import move_aside
from lab_support.workbook.progress_store import ExerciseRecord, ProgressStore, default_store

LIMIT_S = 30


class Listener:
    """Hears every line that a store tells."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def heard() -> Listener:
    return Listener()


@pytest.fixture
def store(tmp_path: Path, heard: Listener) -> ProgressStore:
    return ProgressStore(tmp_path / ".lab" / "progress.db", tell=heard)


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own table names
    finally:
        connection.close()


def test_attempt_is_kept_with_its_time_in_utc(store: ProgressStore, heard: Listener) -> None:
    """An attempt's row holds exercise, state, cause, an aware UTC time and milliseconds."""
    store.record_attempt("13.1.2", "failed", "one-global-session", 41.5)

    ((_, exercise, state, cause, at, ms),) = rows(store.path, "attempts")
    assert (exercise, state, cause, ms) == ("13.1.2", "failed", "one-global-session", 41.5)
    assert datetime.fromisoformat(str(at)).utcoffset() == timedelta(0)
    assert heard.lines == []


def test_untouched_store_answers_without_making_a_file(store: ProgressStore) -> None:
    """Asking is not recording: no file and no folder appear."""
    assert store.hints_taken("13.1.1") == 0
    assert not store.passed("13.1.1")
    assert not store.gave_up("13.1.1")
    assert store.summary(["13.1.1"]) == {"13.1.1": ExerciseRecord("13.1.1")}
    assert not store.path.parent.exists()


def test_best_state_survives_a_later_failure(store: ProgressStore) -> None:
    """A pass is never taken away, and only work that had been begun counts as an attempt."""
    for state in ("not attempted", "failed", "passed", "timed out", "error in your code"):
        store.record_attempt("13.1.1", state, "", 1.0)
    store.record_attempt("13.1.2", State.ERROR, None, 1.0)

    summary = store.summary(["13.1.2", "13.1.1", "13.1.3"])

    assert list(summary) == ["13.1.2", "13.1.1", "13.1.3"]
    assert summary["13.1.1"] == ExerciseRecord("13.1.1", State.PASSED, attempts=4)
    assert summary["13.1.2"] == ExerciseRecord("13.1.2", State.ERROR, attempts=1)
    assert store.passed("13.1.1")
    assert not store.passed("13.1.2")


def test_hints_and_give_up_are_kept_once(store: ProgressStore) -> None:
    """The highest stage counts; repeating a hint or a give-up adds nothing."""
    for stage in (1, 2, 2):
        store.record_hint("13.1.4", stage)
    store.record_give_up("13.1.4")
    store.record_give_up("13.1.4")

    assert store.hints_taken("13.1.4") == 2
    assert store.hints_taken("13.1.5") == 0
    assert store.gave_up("13.1.4")
    assert store.summary(["13.1.4"])["13.1.4"] == ExerciseRecord("13.1.4", hints=2, gave_up=True)
    assert len(rows(store.path, "give_ups")) == 1


def test_state_of_another_version_does_not_break_the_summary(store: ProgressStore) -> None:
    """A state that this version does not know is counted, and is no pass."""
    store.record_attempt("13.1.1", "half passed", "", 1.0)

    assert store.summary(["13.1.1"])["13.1.1"] == ExerciseRecord("13.1.1", State.ERROR, attempts=1)


def hammer(path: Path, exercise: str, times: int, ready: Barrier) -> None:
    store = ProgressStore(path, tell=lambda text: os._exit(3))
    ready.wait(LIMIT_S)
    for number in range(times):
        store.record_attempt(exercise, "failed", "", number)
        store.record_hint(exercise, number)
        store.summary([exercise])


def run_together(path: Path, names: list[str], times: int) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(names))
    workers = [context.Process(target=hammer, args=(path, name, times, ready)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LIMIT_S)
    return [worker.exitcode for worker in workers]


def test_two_notebooks_lose_nothing_when_they_write_at_once(tmp_path: Path) -> None:
    """Two processes that begin on no file at all keep every row, and neither is told of trouble."""
    path = tmp_path / "progress.db"

    assert run_together(path, ["13.1.1", "13.1.2"], 60) == [0, 0]

    summary = ProgressStore(path).summary(["13.1.1", "13.1.2"])
    assert [record.attempts for record in summary.values()] == [60, 60]
    assert [record.hints for record in summary.values()] == [59, 59]


@pytest.mark.parametrize("damage", ["text", "foreign", "middle", "truncated"])
def test_damaged_file_is_moved_aside_and_said_so(damage: str, store: ProgressStore, heard: Listener) -> None:
    """The old file is kept under a dated name, one line tells it, the new record is saved."""
    for number in range(40):
        store.record_attempt("13.1.1", "passed", "x" * 900, number)
    neighbour = store.path.with_name("postgres.pid")
    neighbour.write_text("neighbour")
    spoil(store.path, damage)
    spoiled = store.path.read_bytes()

    store.record_attempt("13.1.2", "passed", "", 1.0)

    (kept,) = store.path.parent.glob("progress.db.corrupt-*")
    assert kept.read_bytes() == spoiled
    assert neighbour.read_text() == "neighbour"
    assert store.passed("13.1.2")
    assert len(heard.lines) == 1
    assert kept.name in heard.lines[0]
    assert "\n" not in heard.lines[0]


def spoil(path: Path, damage: str) -> None:
    whole = path.read_bytes()
    if damage == "text":
        path.write_text("this was never a database " * 50)
    elif damage == "middle":
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    elif damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2 + 100])
    else:
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE attempts (something TEXT)")
        connection.commit()
        connection.close()


def test_damage_is_found_when_only_reading(store: ProgressStore, heard: Listener) -> None:
    """`passed` on an unusable file says so and answers no, instead of raising."""
    store.path.parent.mkdir()
    store.path.write_text("nonsense " * 100)

    assert not store.passed("13.1.1")
    assert len(heard.lines) == 1
    assert store.summary(["13.1.1"])["13.1.1"].state == State.NOT_ATTEMPTED


def test_two_processes_move_one_damaged_file_once(tmp_path: Path) -> None:
    """Whoever comes second finds the new file sound and leaves it: no row of the first is lost."""
    path = tmp_path / "progress.db"
    path.write_text("nonsense " * 100)
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(2)
    names = ["13.1.1", "13.1.2"]
    workers = [context.Process(target=write_many, args=(path, name, ready)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LIMIT_S)

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(list(tmp_path.glob("progress.db.corrupt-*"))) == 1
    assert [record.attempts for record in ProgressStore(path).summary(names).values()] == [20, 20]


def write_many(path: Path, exercise: str, ready: Barrier) -> None:
    store = ProgressStore(path, tell=lambda text: None)
    ready.wait(LIMIT_S)
    for number in range(20):
        store.record_attempt(exercise, "failed", "", number)


def test_sound_file_is_never_moved_aside(store: ProgressStore) -> None:
    """Whoever found the damage first has mended it; whoever found it second leaves the new file in place."""
    store.record_attempt("13.1.1", "passed", "", 1.0)

    assert move_aside(store.path) is None
    assert store.passed("13.1.1")


def test_file_of_a_newer_version_is_left_alone(store: ProgressStore, heard: Listener) -> None:
    """Progress that a newer workbook wrote is neither moved nor changed; one line says why."""
    store.record_attempt("13.1.1", "passed", "", 1.0)
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = store.path.read_bytes()

    store.record_attempt("13.1.1", "failed", "", 1.0)

    assert store.path.read_bytes() == before
    assert not list(store.path.parent.glob("*.corrupt-*"))
    assert "a newer version of the workbook wrote it" in heard.lines[0]


def test_folder_that_cannot_be_made_costs_one_line(tmp_path: Path, heard: Listener) -> None:
    """A path under a file can't be used: the same trouble is told once, and every call still answers."""
    (tmp_path / "file").write_text("in the way")
    store = ProgressStore(tmp_path / "file" / "progress.db", tell=heard)

    for _ in range(3):
        store.record_attempt("13.1.1", "passed", "", 1.0)
        store.record_hint("13.1.1", 1)
    assert not store.passed("13.1.1")

    assert len(heard.lines) == 1
    assert heard.lines[0].startswith("Progress is not saved: ")
    assert "LAB_HOME" in heard.lines[0]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of this machine can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def in_a_child(work: str, *arguments: str) -> str:
    """Run `work` in another process and return what it printed, whatever user or limit it gives itself."""
    code = f"import os, sys\nfrom pathlib import Path\nfrom {__name__} import *\n{work}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def as_nobody() -> None:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


def test_read_only_folder_still_tells_what_was_passed(open_folder: Path) -> None:
    """Where nothing may be written, old progress is read, new progress is refused in one line."""
    folder = open_folder / "lab"
    ProgressStore(folder / "progress.db").record_attempt("13.1.1", "passed", "", 1.0)
    folder.chmod(0o555)
    (folder / "progress.db").chmod(0o444)
    printed = in_a_child(
        "as_nobody()\n"
        "store = ProgressStore(Path(sys.argv[1]), tell=print)\n"
        "print(store.passed('13.1.1'))\n"
        "store.record_attempt('13.1.2', 'passed', '', 1.0)\n"
        "print(store.passed('13.1.2'))",
        str(folder / "progress.db"),
    ).splitlines()
    folder.chmod(0o755)

    assert printed[0] == "True"
    assert printed[1].startswith("Progress is not saved: attempt to write a readonly database")
    assert printed[2:] == ["False"]


def allow_files_of(size_bytes: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def test_full_disk_costs_one_line_and_no_old_row(tmp_path: Path) -> None:
    """When the system refuses to write more, the checks go on and what was saved can still be read."""
    path = tmp_path / "progress.db"
    ProgressStore(path).record_attempt("13.1.1", "passed", "", 1.0)
    printed = in_a_child(
        "allow_files_of(40_000)\n"
        "store = ProgressStore(Path(sys.argv[1]), tell=print)\n"
        "for number in range(30):\n"
        "    store.record_attempt('13.1.2', 'failed', 'x' * 9000, number)\n"
        "print(store.passed('13.1.1'))",
        str(path),
    ).splitlines()

    assert len(printed) == 2
    assert printed[0].startswith("Progress is not saved: ")
    assert printed[1] == "True"
    assert ProgressStore(path).passed("13.1.1")
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_default_store_lives_in_the_lab_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LAB_HOME decides where progress is kept, and one process has one store of it."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "été à la maison"))
    get_settings.cache_clear()
    try:
        default_store().record_give_up("13.1.1")
        assert default_store() is default_store()
        assert (tmp_path / "été à la maison" / "progress.db").is_file()
    finally:
        get_settings.cache_clear()
