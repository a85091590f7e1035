"""The verbs about the application and the machine: serve, doctor.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_support.cli.telling import errors_in_one_line, say_json

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
            help="Serve only this one: store, orders, customers, payments or inventory; may be repeated.",
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
) -> None:
    """Serve the shop over HTTP until Ctrl-C."""
    with errors_in_one_line():
        from lab_support.services.app import EVERY_SERVICE
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


VERBS = (
    ("serve", "lab serve --port 8000 --data shop-data", serve),
    ("doctor", "lab doctor --json", doctor),
)
