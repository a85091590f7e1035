"""The verb of an author: build.

Section:
    All sections.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_support.cli.targets import root
from lab_support.cli.telling import errors_in_one_line, fail, progress_bar


def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; prove that all parts agree.")
    ] = False,
    run: Annotated[
        bool, typer.Option("--run", help="First run the lessons, so that their outputs are new.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SECTION", help="With --run: this lesson, as in 13.1; repeatable."),
    ] = None,
) -> None:
    """Write labs/ from solutions/ and tidy the notebooks; or prove that all parts agree."""
    with errors_in_one_line():
        if (check and run) or (only and not run):
            fail("Say `lab build`, `lab build --run`, `lab build --run --only 13.1` or `lab build --check`.")
        home = root()
        if check:
            _prove(home)
            return
        if run:
            _renew(home, only or ())
        _write(home)


def _write(home: Path) -> None:
    from lab_support.authoring.build import build_labs

    changed = build_labs(home)
    for path in changed:
        typer.echo(f"wrote {path.relative_to(home)}")
    typer.echo(f"{len(changed)} file(s) changed. `lab build --check` proves that all parts agree.")


def _renew(home: Path, sections: list[str] | tuple[str, ...]) -> None:
    from lab_support.authoring.lesson_runs import run_lessons

    stems = ["_".join(part.zfill(2) for part in section.split(".")) for section in sections]
    with progress_bar("running the lessons", None) as bar:
        lessons = run_lessons(home, stems, bar)
    if not lessons:
        fail(f"notebooks/ has no lesson of {', '.join(sections) or 'any section'}.")
    for path in lessons:
        typer.echo(f"ran {path.relative_to(home)}")


def _prove(home: Path) -> None:
    from lab_support.authoring.agreement import check_workbook
    from lab_support.grading.postgres_hold import PostgresHold

    with PostgresHold() as postgres, progress_bar("judging", None) as bar:
        postgres.take_now()
        findings = check_workbook(home, bar)
    for finding in findings:
        typer.echo(str(finding), err=True)
    if findings:
        raise typer.Exit(1)
    typer.echo("Exercises, solutions, labs, lessons and stored answers agree.")


VERBS = (("build", "lab build --run", build),)
