"""What a service could not do by itself, read from its tables or from the bus, all in one shape.

Section:
    13.5, "The relay"; 13.6, "A compensation that fails"
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import DeadLetter, MessagingError, decode, parked_events
from lab_support.messaging.inbox import parked
from lab_support.sagas.compensations import REQUIRES_REVIEW
from lab_support.services.split import SplitService

Kind = Literal["outbox", "inbox", "dead letter", "compensation"]
Sessions = async_sessionmaker[AsyncSession]
MOST = 1000
"""The most of one kind in one service that are listed, or tried again, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOver:
    """Something that waits for a person.

    Attributes:
        service: Whose it is.
        kind: A row of its outbox, one of its inbox, a message on the bus, or a compensation.
        id: Of the event; of the task for a compensation. Empty for a message that nobody can read.
        type: Of the event; the action of a compensation.
        aggregate: What it is about.
        attempts: How often it was tried; None where nobody counts.
        error: Why it failed last.
        since: When it was given up; None where nobody knows.
        consumer: Its name in the inbox, for a row of one.
        letter_box: Topic and group, for a dead letter.
    """

    service: str
    kind: Kind
    id: str
    type: str
    aggregate: str
    attempts: int | None
    error: str
    since: datetime | None
    consumer: str = ""
    letter_box: tuple[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it for a machine."""
        names = ("service", "kind", "id", "type", "aggregate", "attempts", "error", "since")
        return {name: getattr(self, name) for name in names}


async def outbox_rows(session: AsyncSession, one: SplitService) -> list[LeftOver]:
    """List the parked rows of a service's outbox."""
    return [
        LeftOver(
            service=one.name,
            kind="outbox",
            id=str(row.id),
            type=row.type,
            aggregate=f"{row.aggregatetype} {row.aggregateid}",
            attempts=row.attempts,
            error=row.last_error or "",
            since=row.parked_at,
        )
        for row in await parked_events(session, one.outbox, limit=MOST)
    ]


async def inbox_rows(session: AsyncSession, one: SplitService) -> list[LeftOver]:
    """List the events that a service did not understand."""
    return [
        LeftOver(
            service=one.name,
            kind="inbox",
            id=str(row.event_id),
            type=row.type,
            aggregate=_aggregate(row.event or {}),
            attempts=None,
            error=row.last_error or "",
            since=row.parked_at,
            consumer=row.consumer,
        )
        for row in await parked(session, one.inbox, limit=MOST)
    ]


async def compensations(session: AsyncSession, one: SplitService) -> list[LeftOver]:
    """List the compensations of a service that are in review."""
    if one.tasks is None:
        return []
    waiting = select(one.tasks).where(one.tasks.status == REQUIRES_REVIEW)
    rows = await session.scalars(waiting.order_by(one.tasks.opened_at).limit(MOST))
    return [
        LeftOver(
            service=one.name,
            kind="compensation",
            id=str(row.id),
            type=row.action,
            aggregate=f"order {row.subject}",
            attempts=row.attempts,
            error=row.last_reason or "",
            since=row.opened_at,
        )
        for row in rows
    ]


def dead(service: str, letter: DeadLetter) -> LeftOver:
    """Describe a message that a group gave up."""
    try:
        event = decode(letter.body.encode())
        known = (str(event.event_id), event.type, f"{event.aggregate_type} {event.aggregate_id}")
    except MessagingError:
        known = ("", f"unreadable, {len(letter.body)} characters", f"topic {letter.topic}")
    return LeftOver(
        service=service,
        kind="dead letter",
        id=known[0],
        type=known[1],
        aggregate=known[2],
        attempts=None,
        error=letter.reason,
        since=None,
        letter_box=(letter.topic, letter.group),
    )


def _aggregate(event: dict[str, Any]) -> str:
    return f"{event.get('aggregate_type', '?')} {event.get('aggregate_id', '?')}"
