"""The verb about tables: migrate.

Section:
    13.9, "Migrations per service"
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_support.cli.telling import errors_in_one_line, progress_bar, say_json, services_errors_in_one_line

if TYPE_CHECKING:
    from lab_support.services.migrating import Migrated


def migrate(
    service: Annotated[
        list[str] | None,
        typer.Argument(help="Whose tables, one or more; all without it.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps the data; LAB_DATA without it.", show_default=False, file_okay=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Bring the tables of services to their newest revision; every row stays, and again changes nothing.

    A service's database is that of its URL, such as LAB_ORDERS_URL, else its file in the data folder. Tables that
    `lab serve` has made are recognised. Several at once wait for each other.

    With --json: a list of objects with "service", "database", "before" (null for an empty database), "after",
    "adopted" (whether "before" was found out from the tables) and "ran", the revisions that were run.
    """
    with errors_in_one_line(), services_errors_in_one_line():
        import asyncio

        from lab_support.services.migrating import migrate as migrate_all
        from lab_support.settings import Settings

        settings = Settings() if data is None else Settings(data=data)
        with progress_bar("Migrating", None) as tell:
            done = asyncio.run(migrate_all(settings, service or (), tell=tell))
        if as_json:
            say_json([one.as_dict() for one in done])
            return
        for one in done:
            typer.echo(f"{one.service}: {_told(one)}")


def _told(one: Migrated) -> str:
    if not one.ran:
        found = "recognised, and written down" if one.adopted else "nothing to do"
        return f"at {one.after} already ({found})."
    before = "an empty database" if one.before is None else one.before
    return f"from {before} to {one.after}, {len(one.ran)} revision(s) run."


VERBS = (("migrate", "lab migrate orders --data shop-data", migrate),)
