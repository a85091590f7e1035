"""The statements on the file of the embedded bus.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Delete,
    Insert,
    Integer,
    Select,
    String,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from lab_support.messaging.embedded_batch import Delivery
from lab_support.messaging.embedded_tables import deliveries, log, offsets, retries


def _given(name: str) -> BindParameter[str]:
    return bindparam(name, type_=String)


def _open_deliveries() -> Select[Any]:
    topic, group, limit = _given("topic"), _given("group"), bindparam("limit", type_=Integer)
    own = and_(deliveries.c.topic == topic, deliveries.c.group == group)
    notes = [func.coalesce(deliveries.c[name], 0).label(name) for name in ("handled", "failures")]
    again = (
        select(retries.c.position, retries.c.body, *notes, literal(True).label("retried"))
        .select_from(retries.outerjoin(deliveries, and_(own, deliveries.c.position == retries.c.position)))
        .where(retries.c.topic == topic, retries.c.group == group)
    )
    fresh = (
        select(log.c.position, log.c.body, *notes, literal(False).label("retried"))
        .select_from(log.outerjoin(deliveries, and_(own, deliveries.c.position == log.c.position)))
        .where(log.c.topic == topic, log.c.position > func.coalesce(_offset(topic, group), 0))
        .where(func.coalesce(deliveries.c.done, False).is_(False))
        .order_by(log.c.position)
        .limit(limit)
        .subquery()
    )
    both = union_all(again, select(fresh)).subquery()
    return select(both).order_by(both.c.position).limit(limit)


def _forget_passed() -> Delete:
    topic, group = _given("topic"), _given("group")
    waits = exists().where(
        retries.c.topic == topic, retries.c.group == group, retries.c.position == deliveries.c.position
    )
    return delete(deliveries).where(
        deliveries.c.topic == topic,
        deliveries.c.group == group,
        deliveries.c.position <= _offset(topic, group),
        ~waits,
    )


def _offset(topic: Any, group: Any) -> Any:
    own = (offsets.c.topic == topic, offsets.c.group == group)
    return select(offsets.c.position).where(*own).scalar_subquery()


OPEN_DELIVERIES: Final = _open_deliveries()
"""What a group has not done with, oldest first, at most `limit`: dead letters to be tried again, and the log's rows.

It is made once: to put it together takes longer than to run it.
"""

FORGET_PASSED: Final = _forget_passed()
"""Delete the notes on what a group has passed, but for the dead letters it is to get again."""

_END_OF: Final = select(func.max(log.c.position)).where(log.c.topic == _given("topic"))


async def end_of(connection: AsyncConnection, topic: str) -> int:
    """Return the position of a topic's newest message, 0 without one."""
    end = await connection.scalar(_END_OF, {"topic": topic})
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


@cache
def upsert_into(table: Table) -> Insert:
    """Insert rows, or change them where they are."""
    statement = upsert(table)
    changes = {one.name: statement.excluded[one.name] for one in table.c if not one.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)
