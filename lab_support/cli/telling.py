"""How the command speaks: one line for an error and exit status 1, and a bar for what takes long.

Section:
    All sections.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow")
_NAME_WIDTH = 15


def fail(message: str) -> NoReturn:
    """Say what happened on standard error, on one line, and leave with status 1.

    Raises:
        typer.Exit: Always.
    """
    say_aside(message)
    raise typer.Exit(1)


def say_aside(message: str) -> None:
    """Say what a reader should know on standard error, on one line; the answer itself is elsewhere."""
    typer.echo(f"lab: {' '.join(message.split())}", err=True)


def say_json(data: Any) -> None:
    """Print data for a machine."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn the errors that a user can do something about into one line; others keep their traceback."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except ModuleNotFoundError as error:
        if str(error.name).startswith("lab_support"):
            raise
        mend = 'Run `make lab`, or pip install -c constraints.txt -e ".[postgres]" in the workbook\'s folder.'
        fail(f"The package '{error.name}' is not installed. {mend}")
    except Exception as error:
        if not _is_for_the_user(error):
            raise
        fail(str(error))


@contextmanager
def services_errors_in_one_line() -> Iterator[None]:
    """Turn what a service, its database or the bus refuses into one line."""
    from lab_support.database import DatabaseUrlError, RetriesExhaustedError
    from lab_support.messaging import BusUrlError, MessagingError
    from lab_support.pools import DatabaseUnreachableError
    from lab_support.services.relational import StartError
    from lab_support.services.split import UnknownServiceError

    try:
        yield
    except (
        BusUrlError,
        DatabaseUnreachableError,
        DatabaseUrlError,
        MessagingError,
        RetriesExhaustedError,
        StartError,
        UnknownServiceError,
    ) as error:
        fail(str(error))


def _is_for_the_user(error: Exception) -> bool:
    from pydantic import ValidationError

    from lab_support.exercises import UnknownExerciseError
    from lab_support.grading.cell_events import CellProcessError
    from lab_support.notebooks import NotebookError
    from lab_support.workbook.checking import CheckMisusedError
    from lab_support.workbook.workfolder import WorkFolderError

    known = (CellProcessError, CheckMisusedError, NotebookError, UnknownExerciseError, WorkFolderError)
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        fail(f"LAB_{name} is not usable: {first['msg']}. Correct the variable or unset it.")
    return isinstance(error, known)


def prefixed_lines() -> Callable[[str, str], None]:
    """Give a function that writes a line on standard error behind the name of who says it, coloured for a person."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    colours: dict[str, str] = {}

    def tell(name: str, line: str) -> None:
        colour = colours.setdefault(name, _COLOURS[len(colours) % len(_COLOURS)])
        console.print(Text.assemble((f"{name:<{_NAME_WIDTH}} | ", colour), line), soft_wrap=True)

    return tell


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on standard error while the block runs, where a person is looking.

    Yields:
        A function that takes the number done and, where it is known by now, the number of all.
    """
    if not sys.stderr.isatty():
        yield _unseen
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _unseen(_done: int, _of: int | None) -> None:
    """Show no progress."""
