"""The verbs of a student: open, check, watch, hint, reset, progress.

Section:
    00, "How a lab works"
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab_support.cli import checking, completion
from lab_support.cli.targets import every_section, parse_target, root
from lab_support.cli.telling import errors_in_one_line, fail, say_json

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
OneExercise = Annotated[
    str, typer.Argument(metavar="EXERCISE", help="As in 13.1.2.", autocompletion=completion.exercises)
]
SectionOrExercise = Annotated[
    str | None,
    typer.Argument(
        metavar="[SECTION|EXERCISE]",
        help="13.1 or 13.1.2.",
        autocompletion=completion.sections_and_exercises,
    ),
]


def open_workbook(
    port: Annotated[int, typer.Option(help="Port for JupyterLab.", min=1, max=65535)] = 8888,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Make your copies of the labs in work/ and open JupyterLab."""
    with errors_in_one_line():
        from lab_support.workbook.workfolder import prepare_work

        home = root()
        prepare_work(home)
        command = [sys.executable, "-m", "jupyterlab", f"--port={port}", f"--ServerApp.root_dir={home}"]
        command.append("--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb")
        command.append("--LabApp.news_url=None")  # a classroom is not asked about news
        command += [] if browser else ["--no-browser"]
        command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        _become(command)


def check(
    target: SectionOrExercise = None,
    file: Annotated[Path | None, typer.Option(help="Another notebook than the one in work/.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check your work: all of it, a section or an exercise.

    Your labs are found in work/ by their cells, whatever the files are called.

    With --json: a list with one object a notebook, of "file", "passed" and "exercises". Each exercise has
    "exercise", "title", "state" (passed, failed, error in your code, timed out, not attempted, check cell
    missing, check did not run), "passed", "message" (one line; empty for a pass) and "verdict" (null where
    no check ran; otherwise "cases", "causes", "cost", "ms" and what the card shows).
    """
    with errors_in_one_line():
        home, wanted = root(), parse_target(target) if target is not None else None
        reports = checking.check_files(home, checking.files_to_check(home, wanted, file), wanted)
        if as_json:
            say_json([report.as_dict() for report in reports])
        else:
            checking.tell(reports, whole_cards=wanted is not None and wanted.exercise is not None)
        if not all(report.passed for report in reports):
            raise typer.Exit(1)


def watch(target: SectionOrExercise = None, as_json: AsJson = False) -> None:
    """Check your work again at every save: only what changed, until Ctrl-C.

    With --json: one object a line. "event" is saved (with "exercises", about to be checked), checked (an exercise,
    as in `lab check --json`), ended (with "states" of all exercises) or note (with "text"); "file" names the notebook.
    """
    with errors_in_one_line():
        from lab_support.cli.watching import watch_work

        watch_work(root(), parse_target(target) if target is not None else None, as_json=as_json)


def hint(exercise: OneExercise) -> None:
    """Print the next hint of an exercise."""
    with errors_in_one_line():
        from lab_support.workbook.hints import hint as next_hint

        typer.echo(str(next_hint(exercise)))


def reset(
    target: SectionOrExercise = None,
    everything: Annotated[bool, typer.Option("--all", help="Every lab.")] = False,
) -> None:
    """Start an exercise, a section or everything afresh; a dated copy is kept."""
    with errors_in_one_line():
        from datetime import datetime

        from lab_support.notebooks import restore_exercise, restore_whole

        if everything == (target is not None):
            fail("Say what to reset: `lab reset 13.1.2`, `lab reset 13.1` or `lab reset --all`.")
        home, now = root(), datetime.now().astimezone()
        wanted = [parse_target(target)] if target is not None else every_section(home)
        restored = []
        for one in wanted:
            lab, work = home / "labs" / f"{one.stem}.ipynb", checking.lab_in_work(home, one.section)
            if one.exercise is None:
                restored.append(restore_whole(lab, work, now=now))
            else:
                restored.append(restore_exercise(lab, work, one.exercise, now=now))
        for each in restored:
            kept = f"; your version is kept as {each.kept.name}" if each.kept else ""
            typer.echo(f"{target or each.notebook.stem} is as it was in the lab{kept}.")


def progress(as_json: AsJson = False) -> None:
    """Show what you have passed."""
    with errors_in_one_line():
        from lab_support.workbook.progress import progress as progress_so_far

        report = progress_so_far()
        if as_json:
            say_json(report.as_dict())
        else:
            typer.echo(str(report))


def _become(command: list[str]) -> None:
    """Let the command take this process's place, so that Ctrl-C reaches it and nothing is left behind."""
    sys.stdout.flush()
    if sys.platform == "win32":
        import subprocess

        raise typer.Exit(subprocess.call(command))  # noqa: S603 - our own interpreter and module
    os.execv(command[0], command)  # noqa: S606 - our own interpreter and module


VERBS = (
    ("open", "lab open --no-browser --port 8899", open_workbook),
    ("check", "lab check 13.1.2", check),
    ("watch", "lab watch 13.1", watch),
    ("hint", "lab hint 13.1.2", hint),
    ("reset", "lab reset 13.1.2", reset),
    ("progress", "lab progress --json", progress),
)
