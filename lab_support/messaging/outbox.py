"""The outbox: events stored with the change they speak of, in the same transaction, until they are published.

The columns bear the names that Debezium's outbox router reads, so a CDC connector can take the relay's place.

Section:
    13.5, "The outbox: one write"
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Insert,
    Integer,
    Row,
    String,
    Table,
    Text,
    Uuid,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.schema import SchemaItem

from lab_support.database import UtcDateTime
from lab_support.messaging.envelope import Event, encode
from lab_support.messaging.wakeup import channel_of

Status = Literal["PENDING", "PUBLISHED", "PARKED"]
TopicOf = Callable[[Event], str]
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone
_NAME_LENGTH: Final = 255


class OutboxMixin:
    """The columns of an outbox; a service inherits them beside its own declarative base.

    `class OutboxMessage(OutboxMixin, OrdersBase)` gives it a table "outbox" in the service's own metadata. The
    order of `seq` is the order of the events of one aggregate as long as its writers take turns, by a lock on
    the aggregate's row or by its version.

    Section:
        13.5, "The outbox: one write"
    """

    __tablename__: Any = "outbox"

    seq: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(Uuid(), unique=True)
    aggregatetype: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    aggregateid: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    type: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON())
    topic: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    headers: Mapped[dict[str, Any]] = mapped_column(JSON())
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime())
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    parked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_error: Mapped[str | None] = mapped_column(Text())

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[SchemaItem | dict[str, Any], ...]:
        """Give the relay its two ways in, and never use a number again after a purge."""
        name = cls.__tablename__
        return (
            Index(f"ix_{name}_unpublished", "published_at", "seq"),
            Index(f"ix_{name}_aggregate", "aggregateid", "aggregatetype", "published_at", "seq"),
            {"sqlite_autoincrement": True},
        )

    @property
    def status(self) -> Status:
        """What became of the row; derived, so that it cannot disagree with the columns."""
        if self.published_at is not None:
            return "PUBLISHED"
        return "PENDING" if self.parked_at is None else "PARKED"


def topic_of(event: Event) -> str:
    """Publish under the kind of the aggregate, as Debezium's router does by default."""
    return event.aggregate_type


async def write(
    session: AsyncSession, outbox: type[OutboxMixin], events: Iterable[Event], *, topic_of: TopicOf = topic_of
) -> None:
    """Store events in the session's open transaction, in their order.

    Raises:
        EventTooLargeError: One of them could never be published.
        TypeError: One of them is no event.
    """
    rows = [_row(event, topic_of) for event in events]
    if not rows:
        return
    table: Table = outbox.__table__  # type: ignore[attr-defined]
    await session.execute(
        _storing(table, session.get_bind().dialect.name), rows
    )  # compiled once, however many


@cache
def _storing(table: Table, dialect: str) -> Insert | ReturningInsert[Any]:
    if dialect == "postgresql":  # at the commit it wakes relays of other processes
        return insert(table).returning(func.pg_notify(channel_of(table), ""))
    return insert(table)


def event_of(row: OutboxMixin | Row[Any]) -> Event:
    """Put a row's event together again.

    Raises:
        pydantic.ValidationError: Somebody changed the row into what is no event.
    """
    return Event.model_validate(
        {
            **row.headers,
            "event_id": row.id,
            "type": row.type,
            "aggregate_type": row.aggregatetype,
            "aggregate_id": row.aggregateid,
            "occurred_at": row.occurred_at,
            "payload": row.payload,
        }
    )


async def parked_events(
    session: AsyncSession, outbox: type[OutboxMixin], *, limit: int = 100
) -> list[OutboxMixin]:
    """List the rows that were given up, oldest first; each holds back the later ones of its aggregate."""
    rows = await session.scalars(
        select(outbox).where(outbox.parked_at.is_not(None)).order_by(outbox.seq).limit(limit)
    )
    return list(rows)


async def retry_parked(session: AsyncSession, outbox: type[OutboxMixin], ids: Collection[UUID]) -> int:
    """Give parked rows all their attempts again, and return how many there were; the caller commits."""
    result = await session.execute(
        update(outbox)
        .where(outbox.id.in_(ids), outbox.parked_at.is_not(None))
        .values(parked_at=None, claimed_until=None, attempts=0)
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def _row(event: Event, topic_of: TopicOf) -> dict[str, Any]:
    if not isinstance(event, Event):
        raise TypeError(
            f"{type(event).__name__} was announced, which is no Event. Make one with EventTypes.event(payload, ...)."
        )
    encode(event)
    return {
        "id": event.event_id,
        "aggregatetype": event.aggregate_type,
        "aggregateid": event.aggregate_id,
        "type": event.type,
        "payload": event.payload,
        "topic": topic_of(event),
        "headers": event.model_dump(mode="json", include={"saga_id", "causation_id", "version"}),
        "occurred_at": event.occurred_at,
    }
