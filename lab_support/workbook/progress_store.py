"""What a student has tried, asked for and passed, kept in one small SQLite file.

A store never stands in a check's way: when the file can't be used it says so in one line, once, and goes on.

Section:
    00, "The map"
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from lab_support.exercises.verdict import SEVERITY, State
from lab_support.settings import get_settings
from lab_support.workbook.progress_file import means_damage, move_aside, transaction

T = TypeVar("T")
FILE_NAME = "progress.db"


@dataclass(frozen=True, slots=True)
class ExerciseRecord:
    """What is known of one exercise.

    Attributes:
        exercise: Its id.
        state: The best state any check has reached.
        attempts: Checks of work that had been begun.
        hints: The highest stage of hint taken; 0 means none.
        gave_up: Whether the solution was asked for before a pass.
    """

    exercise: str
    state: State = State.NOT_ATTEMPTED
    attempts: int = 0
    hints: int = 0
    gave_up: bool = False


class ProgressStore:
    """Attempts, hints and give-ups in the file at `path`, which is made at the first record."""

    def __init__(self, path: Path, *, tell: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._tell = tell or _tell_on_stderr
        self._told: set[str] = set()

    def record_attempt(self, exercise: str, state: str, cause: str | None, ms: float) -> None:
        """Keep one verdict; `ms` is the check's wall time in milliseconds, `cause` its likely cause."""
        row = (exercise, str(state), cause or "", _now(), float(ms))
        self._write("INSERT INTO attempts (exercise, state, cause, at, ms) VALUES (?, ?, ?, ?, ?)", row)

    def record_hint(self, exercise: str, stage: int) -> None:
        """Keep that the hint of this stage (from 1) was shown; a second time changes nothing."""
        self._write("INSERT OR IGNORE INTO hints VALUES (?, ?, ?)", (exercise, stage, _now()))

    def record_give_up(self, exercise: str) -> None:
        """Keep that the solution was asked for before a pass; a second time changes nothing."""
        self._write("INSERT OR IGNORE INTO give_ups VALUES (?, ?)", (exercise, _now()))

    def hints_taken(self, exercise: str) -> int:
        """Return the highest stage of hint shown, 0 when none was."""
        return self._ask("SELECT coalesce(max(stage), 0) FROM hints WHERE exercise = ?", exercise)

    def gave_up(self, exercise: str) -> bool:
        """Tell whether the solution was asked for before a pass."""
        return bool(self._ask("SELECT count(*) FROM give_ups WHERE exercise = ?", exercise))

    def passed(self, exercise: str) -> bool:
        """Tell whether any check of this exercise has passed."""
        query = "SELECT count(*) FROM attempts WHERE exercise = ? AND state = 'passed'"
        return bool(self._ask(query, exercise))

    def summary(self, exercises: Iterable[str]) -> dict[str, ExerciseRecord]:
        """Return the record of each exercise asked for, in that order, whether tried or not."""
        wanted = list(exercises)
        nothing: dict[str, ExerciseRecord] = {}
        found = self._safely(_read_all, nothing)
        return {exercise: found.get(exercise) or ExerciseRecord(exercise) for exercise in wanted}

    def _write(self, statement: str, row: tuple[object, ...]) -> None:
        self._safely(lambda connection: bool(connection.execute(statement, row)), False, writes=True)

    def _ask(self, query: str, exercise: str) -> int:
        return self._safely(lambda connection: int(connection.execute(query, (exercise,)).fetchone()[0]), 0)

    def _safely(self, work: Callable[[sqlite3.Connection], T], otherwise: T, *, writes: bool = False) -> T:
        """Do `work` in one transaction, on a new file when the old one is damaged; never raise for it."""
        try:
            if not writes and not self._holds_records():
                return otherwise
            try:
                return self._once(work, writes=writes)
            except sqlite3.Error as error:
                if not means_damage(error):
                    raise
                self._replace(error)
                return self._once(work, writes=writes)
        except (sqlite3.Error, OSError) as error:
            self._say_once(
                f"Progress is not saved: {error} ({self.path}). {_advice(error)} Checks go on without."
            )
            return otherwise

    def _holds_records(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0

    def _once(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        with transaction(self.path, writes=writes) as connection:
            return work(connection)

    def _replace(self, error: sqlite3.Error) -> None:
        kept = move_aside(self.path)
        if kept is not None:
            self._tell(f"The progress file was unusable ({error}): kept as {kept.name}, and a new one begun.")

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)


def default_store() -> ProgressStore:
    """Return the store of this workbook: `progress.db` in its `.lab` folder (or in LAB_HOME)."""
    return _store(get_settings().lab_home / FILE_NAME)


@lru_cache(maxsize=8)
def _store(path: Path) -> ProgressStore:
    return ProgressStore(path)


def _read_all(connection: sqlite3.Connection) -> dict[str, ExerciseRecord]:
    states: dict[str, list[State]] = {}
    for exercise, state in connection.execute("SELECT exercise, state FROM attempts"):
        states.setdefault(exercise, []).append(_state_called(state))
    hints = dict(connection.execute("SELECT exercise, max(stage) FROM hints GROUP BY exercise"))
    given_up = {exercise for (exercise,) in connection.execute("SELECT exercise FROM give_ups")}
    return {
        exercise: ExerciseRecord(
            exercise,
            max(states.get(exercise, []), key=SEVERITY.index, default=State.NOT_ATTEMPTED),
            sum(state != State.NOT_ATTEMPTED for state in states.get(exercise, [])),
            hints.get(exercise, 0),
            exercise in given_up,
        )
        for exercise in {*states, *hints, *given_up}
    }


def _state_called(name: str) -> State:
    """Return the state of that name; a name that only another version knows counts as an error."""
    return State(name) if name in set(State) else State.ERROR


def _advice(error: Exception) -> str:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "Make room on the disk."
    if code == sqlite3.SQLITE_BUSY:
        return "Another program holds the file; close it."
    return "Set LAB_HOME to a folder that you may write to."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _tell_on_stderr(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201
