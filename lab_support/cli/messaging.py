"""The verbs about messages: relay, outbox.

Section:
    13.5, "Who runs the relay?"
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_support.cli.telling import errors_in_one_line, fail, say_aside, say_json, services_errors_in_one_line

if TYPE_CHECKING:
    from lab_support.services.attention import Attention
    from lab_support.services.left_over import LeftOver
    from lab_support.settings import Settings

Data = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps the data; LAB_DATA without it.", show_default=False),
]


def relay(
    service: Annotated[
        str, typer.Option(help="Whose outbox: orders, customers, payments, inventory or catalog.")
    ],
    data: Data = None,
    once: Annotated[bool, typer.Option("--once", help="Publish what is there, then end.")] = False,
) -> None:
    """Publish the outbox of a service, in a process of its own, until Ctrl-C.

    The services are served elsewhere, with --no-relay or also with relays of their own: any number may work on one
    outbox. The bus is the one of LAB_BUS_URL, or else a file beside the data. The catalogue's events wait inside its
    documents, so it needs LAB_MONGODB_URL; without it the process that serves the catalogue publishes them.
    """
    with errors_in_one_line(), services_errors_in_one_line():
        import asyncio

        from lab_support.services.relaying import DOCUMENTS, relay_once, relay_until_stopped
        from lab_support.services.split import split_service

        one, settings = DOCUMENTS if service == DOCUMENTS else split_service(service), _settings(data)
        if not once:
            asyncio.run(relay_until_stopped(one, settings, typer.echo))
            return
        turns = asyncio.run(relay_once(one, settings, typer.echo))
        published, failed, parked = (
            sum(len(getattr(turn, name)) for turn in turns) for name in ("published", "failed", "parked")
        )
        waits = f", {failed - parked} failed and will be tried again" if failed > parked else ""
        gone = f", {parked} parked (see `lab outbox`)" if parked else ""
        typer.echo(f"{published} event(s) of {service} published{waits}{gone}.")


def outbox(
    service: Annotated[
        list[str] | None, typer.Option(help="Only this service; may be repeated.", show_default=False)
    ] = None,
    retry: Annotated[
        str | None, typer.Option(metavar="ID|all", help="Have it tried again.", show_default=False)
    ] = None,
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """List what waits for a person: parked events, dead letters, compensations in review.

    With --retry, what has that id, or everything, is tried again by the processes that run; an event parked in an
    inbox has its effect now. Of a topic's dead letters to a service all are tried again.

    With --json: a list of objects with "service", "kind" (outbox, inbox, dead letter, compensation), "id", "type",
    "aggregate", "attempts" (null where nobody counts), "error" and "since".
    """
    with errors_in_one_line(), services_errors_in_one_line():
        import asyncio

        if asyncio.run(_outbox(_settings(data), service or [], retry, as_json=as_json)):
            raise typer.Exit(1)


async def _outbox(settings: Settings, only: Collection[str], retry: str | None, *, as_json: bool) -> bool:
    """Do what `lab outbox` is for, and tell whether something could not be done."""
    from lab_support.services.attention import attention

    async with attention(settings, only) as seen:
        found = await seen.listed()
        if retry is not None:
            found = await _retried(seen, found, retry)
        for line in (*seen.notes, *seen.troubles):
            say_aside(line)
        if as_json:
            say_json([one.as_dict() for one in found])
        elif retry is not None:
            typer.echo(f"{len(found)} tried again; `lab outbox` lists what fails once more.")
        else:
            _tell(found)
        return retry is not None and bool(seen.troubles)


async def _retried(seen: Attention, found: list[LeftOver], wanted: str) -> list[LeftOver]:
    chosen = found if wanted == "all" else [one for one in found if one.id == wanted]
    if not chosen and wanted != "all":
        fail(f"Nothing that waits has the id '{wanted}'. `lab outbox` lists what there is, with its ids.")
    boxes = {one.letter_box for one in chosen if one.letter_box is not None}
    chosen = [one for one in found if one in chosen or one.letter_box in boxes]
    await seen.retry(chosen)
    return chosen


def _tell(found: list[LeftOver]) -> None:
    if not found:
        typer.echo("Nothing is parked, dead or in review.")
    for one in found:
        tries = "" if one.attempts is None else f", {one.attempts} attempts"
        since = "" if one.since is None else f", since {one.since.astimezone():%d.%m. %H:%M}"
        typer.echo(f"{one.service}: {one.kind} {one.type} of {one.aggregate}{tries}{since}")
        typer.echo(f"    {one.id or 'no id'}: {' '.join(one.error.split())}")


def _settings(data: Path | None) -> Settings:
    from lab_support.settings import Settings

    return Settings() if data is None else Settings(data=data)


VERBS = (
    ("relay", "lab relay --service orders --data shop-data", relay),
    ("outbox", "lab outbox --data shop-data --retry all", outbox),
)
