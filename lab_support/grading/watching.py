"""Check a student's labs again whenever they are saved: only what changed, in a process that is ready.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab_support.exercises import sections
from lab_support.exercises.registry import STEMS
from lab_support.grading.fingerprints import fingerprints
from lab_support.grading.postgres_hold import PostgresHold
from lab_support.grading.records import VerdictRecord
from lab_support.grading.runner import OutdatedRunError, exercises_of, run_notebook
from lab_support.grading.warm_processes import WarmProcesses
from lab_support.notebooks import Notebook, NotebookError, lab_of, notebooks_below, read_notebook

STAYS_BROKEN_S = 2.0
Stamp = tuple[int, int, int]
Fingerprint = tuple[tuple[str, str], ...]


class View(Protocol):
    """Tells a person or a machine what is going on."""

    def saved(self, path: Path, exercises: Collection[str], /) -> None:
        """Tell that a notebook was saved, and which exercises are about to be checked."""

    def checked(self, path: Path, record: VerdictRecord, /) -> None:
        """Tell the outcome of one exercise."""

    def ended(self, path: Path, now: Collection[VerdictRecord], known: Collection[VerdictRecord], /) -> None:
        """Tell that all is checked: the records of this run, and the last ones of every exercise in the notebook."""

    def note(self, path: Path, text: str, /) -> None:
        """Tell in one line what is wrong with a file."""


@dataclass(slots=True)
class _Lab:
    """What is known of one notebook.

    Attributes:
        stamp: Time, size and identity of the file as last read; None to read it again.
        trouble: Why it cannot be read, since when, and whether that was told.
    """

    path: Path
    stamp: Stamp | None = None
    prints: dict[str, Fingerprint] = field(default_factory=dict)
    records: dict[str, VerdictRecord] = field(default_factory=dict)
    trouble: str = ""
    since: float = 0.0
    told: bool = False


class Watch:
    """The labs below a folder, and what their last checks found.

    Args:
        home: The workbook's folder.
        wanted: Exercises to check, or none for all.
        view: Told of everything.
        processes: Where the processes for cells come from.
        postgres: Keeps the server running between checks that need it.
    """

    def __init__(
        self,
        home: Path,
        wanted: Collection[str],
        view: View,
        processes: WarmProcesses,
        postgres: PostgresHold,
    ) -> None:
        self._home, self._work = home, home / "work"
        self._wanted, self._view = frozenset(wanted), view
        self._processes, self._postgres = processes, postgres
        self._labs: dict[Path, _Lab] = {}

    def check_all(self) -> None:
        """Check the lab of each section once; where a section has several, the others wait until they are saved."""
        chosen = [
            lab_of(number, self._work, self._home / "labs" / f"{STEMS[number]}.ipynb")
            for number in sections()
        ]
        for path in notebooks_below(self._work):
            if path not in chosen:
                self._labs[path] = _Lab(path, _stamp(path))
        self.look()

    def look(self) -> None:
        """Look at every notebook's time and size, and check those that changed until none does."""
        while any(self._visit(lab) for lab in self._present()):
            pass
        for lab in list(self._labs.values()):
            self._mind(lab)
        self._processes.refill()

    def _present(self) -> Iterable[_Lab]:
        for path in notebooks_below(self._work):
            if path not in self._labs:
                self._labs[path] = _Lab(path)
            yield self._labs[path]

    def _visit(self, lab: _Lab) -> bool:
        """Check what changed in a notebook; return whether anything was to do."""
        stamp = _stamp(lab.path)
        if stamp is None or stamp == lab.stamp:
            return False
        lab.stamp = stamp
        try:
            notebook = read_notebook(lab.path)
            lab.trouble, lab.told = "", False
            if notebook.exercise_sections():
                self._check(lab, notebook)
        except NotebookError as error:
            lab.since = lab.since if lab.trouble else time.monotonic()
            lab.trouble = str(error)
        except OutdatedRunError:
            lab.stamp = None
        return True

    def _check(self, lab: _Lab, notebook: Notebook) -> None:
        prints = fingerprints(notebook)
        names = [one.id for one in exercises_of(notebook) if not self._wanted or one.id in self._wanted]
        if not names:
            return
        if not lab.records:
            self._adopt(lab, prints)
        changed = [
            name
            for name in names
            if name not in lab.records or prints.get(name, ()) != lab.prints.get(name, ())
        ]
        self._view.saved(lab.path, changed)
        if changed:
            now = self._run(lab, changed, prints)
            self._view.ended(lab.path, now, [lab.records[name] for name in names])
            self._postgres.take(now)
            self._processes.refill()

    def _run(
        self, lab: _Lab, changed: Collection[str], prints: dict[str, Fingerprint]
    ) -> list[VerdictRecord]:
        def told(record: VerdictRecord) -> None:
            lab.records[record.exercise] = record
            lab.prints[record.exercise] = prints.get(record.exercise, ())
            self._view.checked(lab.path, record)

        return run_notebook(
            lab.path,
            only=changed,
            told=told,
            processes=self._processes.take,
            outdated=lambda: _stamp(lab.path) != lab.stamp,
        )

    def _adopt(self, lab: _Lab, prints: dict[str, Fingerprint]) -> None:
        """Take over what is known of a notebook that was renamed to this one."""
        for path, lost in self._labs.items():
            same = lost.prints and all(prints.get(name, ()) == known for name, known in lost.prints.items())
            if same and not path.exists():
                lab.records, lab.prints = lost.records, lost.prints
                del self._labs[path]
                return

    def _mind(self, lab: _Lab) -> None:
        """Say once of a file that it stays damaged or away."""
        gone = _stamp(lab.path) is None
        if gone and not lab.trouble:
            lab.trouble, lab.since = f"{lab.path} is gone.", time.monotonic()
        if lab.trouble and not lab.told and time.monotonic() - lab.since >= STAYS_BROKEN_S:
            lab.told = True
            self._view.note(lab.path, f"{lab.trouble} Waiting for it to be saved again.")
            if gone:
                del self._labs[lab.path]


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is saved, in place or by a rename; None where it is not."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


Ticks = Callable[[Path, Path], Iterable[None]]


def watch(home: Path, wanted: Collection[str], view: View, ticks: Ticks) -> None:
    """Check everything once, then what changed, for as long as `ticks` gives reasons to look.

    Raises:
        CellProcessError: The process for the cells could not be started.
    """
    with PostgresHold() as postgres, WarmProcesses() as processes:
        watched = Watch(home, wanted, view, processes, postgres)
        watched.check_all()
        for _ in ticks(home, home / "work"):
            watched.look()
