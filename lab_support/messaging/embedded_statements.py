"""The statements on the file of the embedded bus.

Section:
    13.5, "Publishing"
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, Select, Table, and_, delete, exists, func, literal, select, union_all
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from lab_support.messaging.embedded_batch import Delivery
from lab_support.messaging.embedded_tables import deliveries, log, offsets, retries


def open_deliveries(topic: str, group: str, limit: int) -> Select[Any]:
    """Select what a group has not done with, oldest first: dead letters to be tried again, and the log's rows."""
    own = and_(deliveries.c.topic == topic, deliveries.c.group == group)
    notes = [func.coalesce(deliveries.c[name], 0).label(name) for name in ("handled", "failures")]
    again = (
        select(retries.c.position, retries.c.body, *notes, literal(True).label("retried"))
        .select_from(retries.outerjoin(deliveries, and_(own, deliveries.c.position == retries.c.position)))
        .where(*named(retries, topic, group))
    )
    fresh = (
        select(log.c.position, log.c.body, *notes, literal(False).label("retried"))
        .select_from(log.outerjoin(deliveries, and_(own, deliveries.c.position == log.c.position)))
        .where(log.c.topic == topic, log.c.position > func.coalesce(offset_of(topic, group), 0))
        .where(func.coalesce(deliveries.c.done, False).is_(False))
        .order_by(log.c.position)
        .limit(limit)
        .subquery()
    )
    both = union_all(again, select(fresh)).subquery()
    return select(both).order_by(both.c.position).limit(limit)


def forget_passed(topic: str, group: str) -> Any:
    """Delete the notes on what a group has passed, but for the dead letters it is to get again."""
    waits = exists().where(*named(retries, topic, group), retries.c.position == deliveries.c.position)
    return delete(deliveries).where(
        *named(deliveries, topic, group), deliveries.c.position <= offset_of(topic, group), ~waits
    )


def offset_of(topic: str, group: str) -> Any:
    """Select up to where a group is done with everything."""
    return select(offsets.c.position).where(*named(offsets, topic, group)).scalar_subquery()


async def end_of(connection: AsyncConnection, topic: str) -> int:
    """Return the position of a topic's newest message, 0 without one."""
    end = await connection.scalar(select(func.max(log.c.position)).where(log.c.topic == topic))
    return int(end or 0)


def named(table: Table, topic: str | None, group: str | None) -> list[Any]:
    """Say which topic and group are meant; None means each."""
    named = {"topic": topic, "group": group}
    return [table.c[name] == value for name, value in named.items() if value is not None]


def letter_of(one: Delivery, key: dict[str, Any]) -> dict[str, Any]:
    """Make the row of a dead letter."""
    return {**key, "position": one.position, "body": one.body, "reason": one.reason}


def note_of(one: Delivery, key: dict[str, Any]) -> dict[str, Any]:
    """Make the row that tells how far a message is."""
    done = one.done or one.retried  # the log's own copy of a dead letter is done with
    counts = {"handled": one.handled, "failures": one.failures}
    return {**key, "position": one.position, **counts, "done": done}


def upsert_into(table: Table) -> Insert:
    """Insert rows, or change them where they are."""
    statement = upsert(table)
    changes = {one.name: statement.excluded[one.name] for one in table.c if not one.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)
