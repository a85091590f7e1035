"""`lab watch`: how what it finds is told, to a person or to a machine.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from lab_support.cli.checking import line_about
from lab_support.cli.telling import say_aside

if TYPE_CHECKING:
    from lab_support.cli.targets import Target
    from lab_support.grading.records import VerdictRecord

QUIET = ("passed", "not attempted")
TERMINATED = 128 + signal.SIGTERM


def watch_work(home: Path, wanted: Target | None, *, as_json: bool) -> None:
    """Check the labs in `work/` now and at every save, until Ctrl-C.

    Raises:
        typer.Exit: Stopped by Ctrl-C (status 0) or by a request to end (143).
    """
    from lab_support.grading.ticks import saves
    from lab_support.grading.watching import watch

    ended = threading.Event()

    def end(*_: object) -> NoReturn:
        ended.set()
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, end)
    view = MachineView() if as_json else PersonView(home)
    what = "work/" if wanted is None else wanted.exercise or wanted.section
    say_aside(f"watching {what}: each save is checked at once. Ctrl-C stops.")
    try:
        watch(home, wanted.exercises if wanted else (), view, saves)
    except KeyboardInterrupt:  # which watchfiles makes of either
        raise typer.Exit(TERMINATED if ended.is_set() else 0) from None


class PersonView:
    """Tells with a line for each exercise and the card of the first that fails."""

    def __init__(self, home: Path) -> None:
        self._home, self._work = home, home / "work"

    def saved(self, path: Path, exercises: Collection[str]) -> None:
        """Tell the time and the file."""
        nothing = "" if exercises else ": no exercise changed"
        typer.echo(f"\n{datetime.now().astimezone():%H:%M:%S} {self._shown(path)}{nothing}")

    def checked(self, _path: Path, record: VerdictRecord) -> None:
        """Tell the outcome on a line."""
        typer.echo(line_about(record))

    def ended(self, _path: Path, now: Collection[VerdictRecord], known: Collection[VerdictRecord]) -> None:
        """Show the card of the first that fails, and sum up."""
        first = next((record for record in now if record.state not in QUIET), None)
        verdict = first.rebuilt_verdict() if first else None
        if verdict is not None:
            from lab_support.workbook.cards import card

            typer.echo(f"\n{card(verdict, colour=sys.stdout.isatty())}\n")
        failed = [record.exercise for record in known if record.state not in QUIET]
        passed = sum(record.passed for record in known)
        still = f" Still failing: {', '.join(failed)}." if failed else ""
        typer.echo(f"{passed} of {len(known)} passed.{still}")

    def note(self, path: Path, text: str) -> None:
        """Tell it with the time, and the file's name within the workbook."""
        typer.echo(f"\n{datetime.now().astimezone():%H:%M:%S} {text.replace(str(path), self._shown(path))}")

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._home))


class MachineView:
    """Tells with one JSON object a line; `event` says of what kind it is."""

    def saved(self, path: Path, exercises: Collection[str]) -> None:
        """Tell what is about to be checked."""
        _say_line("saved", path, exercises=list(exercises))

    def checked(self, path: Path, record: VerdictRecord) -> None:
        """Tell the whole record."""
        _say_line("checked", path, **record.as_dict(), passed=record.passed)

    def ended(self, path: Path, now: Collection[VerdictRecord], known: Collection[VerdictRecord]) -> None:
        """Tell the states of all that is known."""
        states = {record.exercise: record.state for record in known}
        _say_line("ended", path, checked=[record.exercise for record in now], states=states)

    def note(self, path: Path, text: str) -> None:
        """Tell what is wrong with a file."""
        _say_line("note", path, text=text)


def _say_line(event: str, path: Path, **told: Any) -> None:
    typer.echo(json.dumps({"event": event, "file": str(path), **told}, ensure_ascii=False, default=str))
