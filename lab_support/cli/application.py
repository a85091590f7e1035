"""The verbs about the application and the machine: serve, backfill, rebuild, doctor.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from lab_support.cli.telling import (
    errors_in_one_line,
    fail,
    prefixed_lines,
    progress_bar,
    say_aside,
    say_json,
    services_errors_in_one_line,
)

SIGNS = {"ok": "✓", "note": "·", "bad": "✗"}


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 lets the system choose.", min=0, max=65535)
    ] = 8000,
    data: Annotated[Path | None, typer.Option(help="Folder that keeps the data.", file_okay=False)] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this: store, orders, customers, payments, inventory, catalog or gateway; may be repeated.",
            show_default=False,
        ),
    ] = None,
    relay: Annotated[
        bool | None,
        typer.Option(
            "--relay/--no-relay",
            help="Publish the outboxes here, or leave it to `lab relay`; LAB_RELAY without it.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        bool,
        typer.Option(
            "--split", help="A process for each service and each relay; one that ends is started again."
        ),
    ] = False,
) -> None:
    """Serve the shop over HTTP until Ctrl-C."""
    with errors_in_one_line():
        from lab_support.services.app import EVERY_SERVICE

        if split:
            from lab_support.services.splitting import serve_split

            serve_split(host, port, data, prefixed_lines(), only=service or EVERY_SERVICE, relay=relay)
            return
        from lab_support.services.serving import serve as serve_until_stopped

        serve_until_stopped(host, port, data, only=service or EVERY_SERVICE, relay=relay)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Say what is installed, which servers answer, and what mends the rest."""
    with errors_in_one_line():
        from lab_support.workbook.doctor import examine

        diagnosis = examine()
        if as_json:
            say_json(diagnosis.as_dict())
        else:
            for finding in diagnosis.findings:
                remedy = f" → {finding.remedy}" if finding.remedy else ""
                typer.echo(f"{SIGNS[finding.state]} {finding.name}: {finding.detail}{remedy}")
        if not diagnosis.ok:
            raise typer.Exit(1)


def backfill(
    service: Annotated[str, typer.Argument(help="Whose documents: catalog.")],
    data: Annotated[Path | None, typer.Option(help="Folder that keeps the data.", file_okay=False)] = None,
) -> None:
    """Bring stored documents to the current version of their schema; it may be stopped, and begun again.

    What cannot be brought up stays as it is, and is listed.
    """
    with errors_in_one_line(), services_errors_in_one_line():
        if service != "catalog":
            fail(f"'{service}' keeps no documents. Run: lab backfill catalog")
        from lab_support.services.catalog.lifespan import backfill_catalog
        from lab_support.settings import Settings

        settings = Settings() if data is None else Settings(data=data)
        if settings.data is None and settings.mongodb_url is None:
            fail(
                "Which documents? Name their folder with --data or LAB_DATA, or a server with LAB_MONGODB_URL."
            )
        with progress_bar("Bringing documents up to date", None) as tell:
            report = asyncio.run(backfill_catalog(settings, tell))
        typer.echo(f"{report.changed} document(s) changed, {report.overtaken} changed by others meanwhile.")
        for key, reason in report.failed.items():
            say_aside(f"document {key} stays as it is: {reason}")
        if report.failed:
            raise typer.Exit(1)


def rebuild(
    what: Annotated[str, typer.Argument(help="Which read model: order-summaries.")],
    data: Annotated[Path | None, typer.Option(help="Folder that keeps the data.", file_okay=False)] = None,
    orders: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where Orders answers; LAB_ORDERS_AT without it.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Build a read model anew from the owners' events, while the old one is shown.

    It may be stopped, and begun again; until it has ended nothing has changed. With --json: an object with "events",
    how many were read, and "unreadable", the ids of those that nobody could understand.
    """
    with errors_in_one_line(), services_errors_in_one_line():
        if what != "order-summaries":
            fail(f"There is no read model '{what}'. Run: lab rebuild order-summaries")
        from lab_support.services.gateway.errors import NoAnswerError, RebuildOvertakenError
        from lab_support.services.rebuilding import rebuild_summaries
        from lab_support.settings import Settings

        given = {"data": data, "orders_at": orders}
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        try:
            with progress_bar("Building the order summaries", None) as tell:
                done = asyncio.run(rebuild_summaries(settings, tell))
        except NoAnswerError as error:
            fail(
                f"The journal of Orders can't be read at {settings.orders_at}: {error}. Nothing was changed."
            )
        except RebuildOvertakenError as error:
            fail(str(error))
        if as_json:
            say_json({"events": done.events, "unreadable": sorted(map(str, done.unreadable))})
        else:
            typer.echo(f"The order summaries are new, built from {done.events} event(s).")
            for event_id in sorted(done.unreadable):
                say_aside(f"event {event_id} can't be understood, and is in no summary.")
        if done.unreadable:
            raise typer.Exit(1)


VERBS = (
    ("serve", "lab serve --split --port 8000 --data shop-data", serve),
    ("backfill", "lab backfill catalog --data shop-data", backfill),
    ("rebuild", "lab rebuild order-summaries --data shop-data --orders http://127.0.0.1:8000", rebuild),
    ("doctor", "lab doctor --json", doctor),
)
