"""A save is answered: with what changed, once the file is whole, and by a process in which nothing ran before."""

import json
import os
import queue
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab_support.grading.cell_events import CellProcess
from lab_support.grading.postgres_hold import PostgresHold
from lab_support.grading.records import MISSING, VerdictRecord
from lab_support.grading.runner import OutdatedRunError, run_notebook
from lab_support.grading.ticks import saves
from lab_support.grading.warm_processes import WarmProcesses
from lab_support.grading.watching import Watch
from tests.support.lab_files import QUICK, ROOT, lab_file

STEM = "13_01_sqlalchemy_orm"
LIMIT_S = 60
WRONG = "async def search_products(session, term):\n    return []\n"


class Told:
    """Remembers what it is told, as a list of short tuples."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    def saved(self, path: Path, exercises: Collection[str]) -> None:
        self.lines.append(("saved", list(exercises)))

    def checked(self, path: Path, record: VerdictRecord) -> None:
        self.lines.append((record.exercise, record.state))

    def ended(self, path: Path, now: Collection[VerdictRecord], known: Collection[VerdictRecord]) -> None:
        self.lines.append(("ended", [record.state for record in known]))

    def note(self, path: Path, text: str) -> None:
        self.lines.append(("note", text))

    def take(self) -> list[tuple[str, Any]]:
        """Return what was told since last asked."""
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a workbook with a lab in work/ and a progress file of its own."""
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / f"{STEM}.ipynb").write_bytes((ROOT / "labs" / f"{STEM}.ipynb").read_bytes())
    monkeypatch.setenv("LAB_HOME", str(tmp_path / ".lab"))
    lab_file(tmp_path / "work" / f"{STEM}.ipynb")
    return tmp_path


@pytest.fixture
def told() -> Told:
    """Give a view that remembers."""
    return Told()


@pytest.fixture
def watched(home: Path, told: Told) -> Iterator[Watch]:
    """Give a watch of the two quick exercises that has checked them once."""
    with PostgresHold() as postgres, WarmProcesses() as processes:
        watch = Watch(home, QUICK, told, processes, postgres)
        watch.check_all()
        assert told.take() == [
            ("saved", list(QUICK)), ("13.1.4", "passed"), ("13.1.5", "passed"), ("ended", ["passed", "passed"]),
        ]  # fmt: skip
        yield watch


def by_rename(path: Path, text: str) -> None:
    """Save as many editors do: beside the file, and into its place."""
    unfinished = path.with_name(f".~{path.name}")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)


def by_writing(path: Path, text: str) -> None:
    """Save as JupyterLab does: in place."""
    path.write_text(text, "utf-8")


def with_source(path: Path, cell_id: str, source: str) -> str:
    """Return the notebook's text with one cell changed."""
    content = json.loads(path.read_text("utf-8"))
    next(cell for cell in content["cells"] if cell["id"] == cell_id)["source"] = source
    return json.dumps(content)


@pytest.mark.parametrize("save", [by_rename, by_writing])
def test_save_is_answered_with_what_changed_alone(home: Path, watched: Watch, told: Told, save: Any) -> None:
    """The exercise that was broken is checked, the other is not, and its last state is known."""
    lab = home / "work" / f"{STEM}.ipynb"

    save(lab, with_source(lab, "13-1-5-work", WRONG))
    watched.look()

    assert told.take() == [("saved", ["13.1.5"]), ("13.1.5", "failed"), ("ended", ["passed", "failed"])]


def test_save_that_changes_no_code_checks_nothing(home: Path, watched: Watch, told: Told) -> None:
    """Outputs and text are no reason; the save is acknowledged."""
    lab = home / "work" / f"{STEM}.ipynb"
    content = json.loads(lab.read_text())
    content["cells"][0]["outputs"] = [{"name": "stdout", "output_type": "stream", "text": "hello"}]

    by_writing(lab, json.dumps(content))
    watched.look()
    watched.look()

    assert told.take() == [("saved", [])]


def test_change_before_all_exercises_checks_all(home: Path, watched: Watch, told: Told) -> None:
    """The start cell is everybody's."""
    lab = home / "work" / f"{STEM}.ipynb"

    by_rename(lab, with_source(lab, "13-1-start", "from lab_support.workbook import check"))
    watched.look()

    assert told.take()[0] == ("saved", list(QUICK))


def test_nothing_of_one_run_is_left_for_the_next(home: Path, watched: Watch, told: Told) -> None:
    """A name that a cell no longer binds is gone, as in a cold check."""
    lab = home / "work" / f"{STEM}.ipynb"

    by_rename(lab, with_source(lab, "13-1-5-work", "import os\nos.left = search_products = 1\n"))
    watched.look()
    by_rename(lab, with_source(lab, "13-1-5-work", "import os\nassert not hasattr(os, 'left')\n"))
    told.take()
    watched.look()
    cold = run_notebook(lab, only=["13.1.5"], counts=False)

    (saved, checked, ended) = told.take()
    assert checked == ("13.1.5", cold[0].state)
    assert "search_products" in cold[0].message
    assert (saved, ended) == (("saved", ["13.1.5"]), ("ended", ["passed", cold[0].state]))


@pytest.mark.parametrize("cut", [0, 1, 500, -2], ids=["empty", "brace", "middle", "last-brace"])
def test_notebook_saved_half_way_waits_for_the_rest(home: Path, watched: Watch, told: Told, cut: int) -> None:
    """A part of the file is no reason to say anything; the whole one is checked."""
    lab = home / "work" / f"{STEM}.ipynb"
    whole = with_source(lab, "13-1-5-work", WRONG)

    by_writing(lab, whole[:cut])
    watched.look()
    assert told.take() == []
    by_writing(lab, whole)
    watched.look()

    assert told.take()[:2] == [("saved", ["13.1.5"]), ("13.1.5", "failed")]


def test_notebook_that_stays_broken_is_told_once(
    home: Path, watched: Watch, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what is wrong; a whole file is checked again after it."""
    lab = home / "work" / f"{STEM}.ipynb"
    whole = with_source(lab, "13-1-5-work", WRONG)
    monkeypatch.setattr("lab_support.grading.watching.STAYS_BROKEN_S", 0)

    by_writing(lab, whole[:500])
    watched.look()
    watched.look()
    ((kind, text),) = told.take()
    by_writing(lab, whole)
    watched.look()

    assert kind == "note"
    assert "breaks off" in text
    assert "\n" not in text
    assert told.take()[1] == ("13.1.5", "failed")


def test_renamed_lab_keeps_what_is_known_of_it(home: Path, watched: Watch, told: Told) -> None:
    """A new name, or a folder below, needs no new check; the next change does."""
    lab, moved = home / "work" / f"{STEM}.ipynb", home / "work" / "week 1" / "mine.ipynb"
    moved.parent.mkdir()

    lab.rename(moved)
    watched.look()
    assert told.take() == [("saved", [])]
    by_rename(moved, with_source(moved, "13-1-5-work", WRONG))
    watched.look()

    assert told.take()[-1] == ("ended", ["passed", "failed"])


def test_deleted_lab_is_told_once_and_checked_when_it_returns(
    home: Path, watched: Watch, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder may go with it."""
    monkeypatch.setattr("lab_support.grading.watching.STAYS_BROKEN_S", 0)
    lab = home / "work" / f"{STEM}.ipynb"
    text = lab.read_text()

    lab.unlink()
    lab.parent.rmdir()
    watched.look()
    watched.look()
    ((kind, said),) = told.take()
    lab.parent.mkdir()
    by_writing(lab, text)
    watched.look()

    assert (kind, "is gone" in said) == ("note", True)
    assert told.take()[0] == ("saved", list(QUICK))


def test_deleted_check_cell_is_told(home: Path, watched: Watch, told: Told) -> None:
    """The exercise's outcome is that its check is missing; a second save does not repeat it."""
    lab = home / "work" / f"{STEM}.ipynb"
    lab_file(lab, leave_out=["13-1-5-check"])
    watched.look()
    lab_file(lab, leave_out=["13-1-5-check"], change={"13-1-5-work": WRONG})
    watched.look()

    assert told.take() == [
        ("saved", ["13.1.5"]), ("13.1.5", MISSING), ("ended", ["passed", MISSING]), ("saved", []),
    ]  # fmt: skip


def test_other_files_in_work_are_left_alone(home: Path, watched: Watch, told: Told) -> None:
    """A notebook without exercises, a dated copy and a checkpoint are not checked."""
    lab = home / "work" / f"{STEM}.ipynb"
    for name in ("lab.2026-11-24_19-30-05.ipynb", ".ipynb_checkpoints/lab-checkpoint.ipynb"):
        (home / "work" / name).parent.mkdir(exist_ok=True)
        (home / "work" / name).write_bytes(lab.read_bytes())
    (home / "work" / "notes.ipynb").write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )

    watched.look()

    assert told.take() == []


def test_save_during_a_run_ends_it_at_once(home: Path, told: Told) -> None:
    """An endless cell does not keep its mended version waiting until its time is up."""
    lab, fifo = home / "work" / f"{STEM}.ipynb", home / "began"
    os.mkfifo(fifo)
    mended = lab.read_text()
    by_writing(lab, with_source(lab, "13-1-5-work", f"open({str(fifo)!r}, 'w').close()\nwhile True: pass"))

    def mend() -> None:
        fifo.read_text()
        by_rename(lab, mended)

    student = threading.Thread(target=mend, daemon=True)
    student.start()
    with PostgresHold() as postgres, WarmProcesses() as processes:
        Watch(home, ["13.1.5"], told, processes, postgres).check_all()
    student.join(LIMIT_S)

    assert told.take() == [
        ("saved", ["13.1.5"]), ("saved", ["13.1.5"]), ("13.1.5", "passed"), ("ended", ["passed"]),
    ]  # fmt: skip


def test_outdated_run_leaves_no_process(home: Path) -> None:
    """Giving up kills the process that executes the cells."""
    before = set(psutil.Process().children(recursive=True))

    with pytest.raises(OutdatedRunError):
        run_notebook(home / "work" / f"{STEM}.ipynb", only=QUICK, outdated=lambda: True, counts=False)

    assert not set(psutil.Process().children(recursive=True)) - before


def test_process_that_waited_runs_as_a_cold_one_does(home: Path) -> None:
    """Folder, environment, path and names are those of a process started for the run."""
    source = (
        "import json, os, sys\n"
        "with open(os.environ['SEEN'], 'a') as file:\n"
        "    print(json.dumps([os.getcwd(), sys.path, __name__, sorted(set(globals()) - {'__builtin__'}),\n"
        "        os.environ['LAB_HOME'], os.environ['LAB_PROGRESS']]), file=file)"
    )
    lab = lab_file(home / "work" / "seen.ipynb", first=source)
    seen = home / "seen"
    os.environ["SEEN"] = str(seen)
    try:
        with WarmProcesses() as processes:
            processes.wait_until_ready(LIMIT_S)
            run_notebook(lab, only=["13.1.4"], counts=False, processes=processes.take)
        run_notebook(lab, only=["13.1.4"], counts=False)
    finally:
        del os.environ["SEEN"]

    warm, cold = seen.read_text().splitlines()
    assert warm == cold
    assert json.loads(cold)[0] == str(lab.parent.resolve())


def test_process_that_died_while_it_waited_is_replaced(home: Path) -> None:
    """Somebody may kill what seems idle."""
    before = set(psutil.Process().children())

    with WarmProcesses() as processes:
        processes.wait_until_ready(LIMIT_S)
        (spare,) = set(psutil.Process().children()) - before
        spare.kill()
        psutil.wait_procs([spare], timeout=LIMIT_S)
        records = run_notebook(
            home / "work" / f"{STEM}.ipynb", only=["13.1.4"], counts=False, processes=processes.take
        )

    assert [record.state for record in records] == ["passed"]
    assert not set(psutil.Process().children()) - before


def test_server_for_fresh_processes_is_started_ahead_once_it_was_needed(home: Path) -> None:
    """The next process has its fork server before its job."""
    lab = lab_file(home / "work" / "six.ipynb", keep=["13.1.6"])

    with WarmProcesses() as processes:
        for expected in (False, True):
            processes.wait_until_ready(LIMIT_S)
            (spare,) = [
                one for one in psutil.Process().children() if "cell_process" in " ".join(one.cmdline())
            ]
            had_server = any("forkserver" in " ".join(one.cmdline()) for one in spare.children())
            records = run_notebook(lab, only=["13.1.6"], counts=False, processes=processes.take)
            processes.refill()

            assert (had_server, records[0].state) == (expected, "passed")


def test_process_that_nobody_starts_a_job_in_ends_with_its_block() -> None:
    """Leaving the block before the libraries are loaded leaves nothing behind."""
    before = set(psutil.Process().children(recursive=True))

    with CellProcess():
        pass

    assert not set(psutil.Process().children(recursive=True)) - before


def test_saves_are_told_as_they_happen_and_survive_the_folders_loss(tmp_path: Path) -> None:
    """Each write gives a reason to look, also in a folder that was deleted and made again."""
    work = tmp_path / "work"
    work.mkdir()
    ticks: queue.Queue[set[str]] = queue.Queue()
    stopped = threading.Event()

    def listen() -> None:
        for _ in saves(tmp_path, work):
            ticks.put({path.name for path in work.glob("**/*.ipynb")})
            if stopped.is_set():
                return

    threading.Thread(target=listen, daemon=True).start()
    wait_for(ticks, set())
    (work / "one.ipynb").write_text("1")
    wait_for(ticks, {"one.ipynb"})
    (work / "one.ipynb").unlink()
    work.rmdir()
    wait_for(ticks, set())
    (work / "deep").mkdir(parents=True)
    (work / "deep" / "two.ipynb").write_text("2")
    wait_for(ticks, {"two.ipynb"})
    stopped.set()


def wait_for(ticks: queue.Queue[set[str]], wanted: set[str]) -> None:
    """Take ticks until the folder was seen to hold these files; fail after a minute of silence."""
    seen: list[set[str]] = []
    while wanted not in seen:
        try:
            seen.append(ticks.get(timeout=LIMIT_S))
        except queue.Empty:
            break
    assert wanted in seen, f"waited for {wanted}, saw {seen}"
