"""The verb of an author: build.

Section:
    All sections.
"""

from __future__ import annotations

from typing import Annotated

import typer

from lab_support.cli.targets import root
from lab_support.cli.telling import errors_in_one_line, progress_bar


def build(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; prove that all parts agree.")
    ] = False,
) -> None:
    """Write labs/ from solutions/ and tidy the notebooks; or prove that all parts agree."""
    with errors_in_one_line():
        from lab_support.authoring.agreement import check_workbook
        from lab_support.authoring.build import build_labs

        home = root()
        if not check:
            changed = build_labs(home)
            for path in changed:
                typer.echo(f"wrote {path.relative_to(home)}")
            typer.echo(f"{len(changed)} file(s) changed. `lab build --check` proves that all parts agree.")
            return
        with progress_bar("judging", None) as bar:
            findings = check_workbook(home, bar)
        for finding in findings:
            typer.echo(str(finding), err=True)
        if findings:
            raise typer.Exit(1)
        typer.echo("Exercises, solutions, labs, lessons and stored answers agree.")


VERBS = (("build", "lab build --check", build),)
