"""How soon `lab watch` answers a save, beside a cold `lab check` of the same exercise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from benchmarks.ratios import Ratio, ratio
from lab_support.exercises.registry import STEMS
from lab_support.grading.postgres_hold import PostgresHold
from lab_support.grading.records import VerdictRecord
from lab_support.grading.ticks import saves
from lab_support.grading.warm_processes import WarmProcesses
from lab_support.grading.watching import Watch
from lab_support.settings import workbook_root

START_LIMIT_S = 60.0
LIMITS = {"13.1.2": 0.25, "13.1.5": 0.25, "13.1.3": None}
"""The judging of 13.1.3 alone is near a quarter of a cold check, so its ratio is only reported."""


class _Silent:
    """A view that only remembers the last records."""

    known: Collection[VerdictRecord] = ()

    def saved(self, path: Path, exercises: Collection[str]) -> None: ...

    def checked(self, path: Path, record: VerdictRecord) -> None: ...

    def note(self, path: Path, text: str) -> None: ...

    def ended(self, _path: Path, _now: Collection[VerdictRecord], known: Collection[VerdictRecord]) -> None:
        self.known = known


def save_to_verdict(pairs: int = 5) -> list[Ratio]:
    """Save a lab and wait for its verdict, then check it cold, in turn; no process warms up meanwhile."""
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        home = _workbook(Path(folder))
        return [_compare(home, exercise, pairs) for exercise in LIMITS]


def _compare(home: Path, exercise: str, pairs: int) -> Ratio:
    work = home / "work" / f"{STEMS[exercise.rpartition('.')[0]]}.ipynb"
    view, found = _Silent(), []
    with PostgresHold() as postgres, WarmProcesses() as processes:
        postgres.take_now()  # for both sides
        watched = Watch(home, [exercise], view, processes, postgres)
        watched.check_all()
        ticks = saves(home, work.parent)
        next(ticks)
        for number in range(pairs + 1):
            processes.wait_until_ready(START_LIMIT_S)
            warm = _watched(watched, ticks, view, work, exercise, number)
            processes.wait_until_ready(START_LIMIT_S)
            cold = _checked(home, exercise)
            if number:
                found.append(warm / cold)
    return ratio(f"save to verdict of lab watch : cold lab check, {exercise}", found, LIMITS[exercise])


def _watched(
    watched: Watch, ticks: Iterator[None], view: _Silent, work: Path, exercise: str, number: int
) -> float:
    """Save the lab as JupyterLab does, and return the seconds until its verdict."""
    content = json.loads(work.read_text("utf-8"))
    cell = next(one for one in content["cells"] if one["id"] == f"{exercise.replace('.', '-')}-work")
    cell["source"] = [*cell["source"], f"\n# {number}"]
    text, view.known = json.dumps(content, indent=1), ()
    began = time.perf_counter()
    work.write_text(text, "utf-8")
    while not view.known:
        next(ticks)
        watched.look()
    seconds = time.perf_counter() - began
    if not all(record.passed for record in view.known):
        raise SystemExit(f"{exercise}: the reference did not pass, so its time means nothing.")
    return seconds


def _checked(home: Path, exercise: str) -> float:
    """Return the seconds that the command takes from nothing."""
    environment = {**os.environ, "LAB_HOME": str(home / ".lab")}
    command = [sys.executable, "-m", "lab_support.cli", "check", exercise]
    began = time.perf_counter()
    subprocess.run(command, cwd=home, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    return time.perf_counter() - began


def _workbook(home: Path) -> Path:
    for folder in ("labs", "notebooks", "work"):
        (home / folder).mkdir()
    for stem in {STEMS[exercise.rpartition(".")[0]] for exercise in LIMITS}:
        for folder in ("labs", "work"):
            shutil.copy(workbook_root() / "solutions" / f"{stem}.ipynb", home / folder)
    os.environ["LAB_HOME"] = str(home / ".lab")
    return home
