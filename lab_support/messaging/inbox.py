"""The inbox: which events a consumer has dealt with, kept in the same transaction as their effect.

Section:
    13.5, "The inbox: repetitions do no harm"
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, String, Text, Uuid, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.schema import Index, SchemaItem

from lab_support.database import UtcDateTime, utc_now
from lab_support.database.inserts import insert_those_absent
from lab_support.messaging.envelope import Event
from lab_support.messaging.errors import UnreadableEventError

_NAME_LENGTH = 100


class InboxMixin:
    """The columns of an inbox; a service inherits them beside its own declarative base.

    Section:
        13.5, "The inbox: repetitions do no harm"
    """

    __tablename__: Any = "inbox"

    consumer: Mapped[str] = mapped_column(String(_NAME_LENGTH), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    type: Mapped[str] = mapped_column(String(255))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
    parked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_error: Mapped[str | None] = mapped_column(Text())
    event: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem | dict[str, Any], ...]:
        """Index what the list of parked events and the purge look for."""
        return (Index(f"ix_{cls.__tablename__}_parked", "parked_at", "received_at"), {})


async def receive(session: AsyncSession, inbox: type[InboxMixin], consumer: str, event: Event) -> bool:
    """Note an event as the first statement of the transaction that has its effect; False when it was known.

    A copy that arrives meanwhile waits here for the first one's end: it is known after a commit, and the first
    itself after a rollback.

    Raises:
        ValueError: The consumer's name does not fit.
    """
    return await receive_all(session, inbox, consumer, [event])


async def receive_all(
    session: AsyncSession, inbox: type[InboxMixin], consumer: str, events: Sequence[Event]
) -> bool:
    """Note several different events, with one statement; False when at least one was known: then roll back.

    Raises:
        ValueError: The consumer's name does not fit.
    """
    if not 0 < len(consumer) <= _NAME_LENGTH:
        raise ValueError(f"The consumer's name {consumer!r} needs 1 to {_NAME_LENGTH} characters.")
    now = utc_now()
    rows = [
        {"consumer": consumer, "event_id": one.event_id, "type": one.type, "received_at": now}
        for one in events
    ]
    return await insert_those_absent(session, inbox, rows) == len(rows)


async def park(
    session: AsyncSession, inbox: type[InboxMixin], consumer: str, event: Event, why: UnreadableEventError
) -> None:
    """Keep a received event that cannot be understood, with its text, for a reader that can."""
    await session.execute(
        update(inbox)
        .where(inbox.consumer == consumer, inbox.event_id == event.event_id)
        .values(parked_at=utc_now(), last_error=str(why), event=event.model_dump(mode="json"))
    )


async def parked(
    session: AsyncSession,
    inbox: type[InboxMixin],
    *,
    consumer: str | None = None,
    ids: Collection[UUID] | None = None,
    limit: int = 100,
) -> list[InboxMixin]:
    """List the events that were not understood, oldest first; of one consumer, or of all."""
    wanted: list[ColumnElement[bool]] = [inbox.parked_at.is_not(None)]
    if consumer is not None:
        wanted.append(inbox.consumer == consumer)
    if ids is not None:
        wanted.append(inbox.event_id.in_(ids))
    oldest_first = select(inbox).where(*wanted).order_by(inbox.received_at).limit(limit)
    return list(await session.scalars(oldest_first))


async def take_for_retry(
    session: AsyncSession, inbox: type[InboxMixin], consumer: str, event_id: UUID
) -> Event | None:
    """Note a parked event as received and not parked, and return it; None when it is not parked any more.

    The caller commits, together with the effect.
    """
    mine = and_(inbox.consumer == consumer, inbox.event_id == event_id, inbox.parked_at.is_not(None))
    document = await session.scalar(select(inbox.event).where(mine).with_for_update())
    if document is None:
        return None
    await session.execute(update(inbox).where(mine).values(parked_at=None, last_error=None, event=None))
    return Event.model_validate(document)


async def purge(session: AsyncSession, inbox: type[InboxMixin], *, older_than: timedelta) -> int:
    """Forget events received long ago, longer than any bus would repeat them; parked ones stay."""
    old = and_(inbox.received_at < utc_now() - older_than, inbox.parked_at.is_(None))
    result = await session.execute(delete(inbox).where(old).execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]
