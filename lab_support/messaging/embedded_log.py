"""The file of the embedded bus: an append-only log for each topic, and how far each group has come.

Section:
    13.5, "Publishing"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lab_support.database import WRITES, build_engine, create_tables
from lab_support.messaging.delivery_faults import DeliveryFaults

_METADATA = MetaData()
log = Table(
    "log",
    _METADATA,
    Column("topic", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)
offsets = Table(
    "offsets",
    _METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, nullable=False),  # everything up to here is done with
)
deliveries = Table(
    "deliveries",
    _METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("handled", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("done", Boolean, nullable=False),
)
dead_letters = Table(
    "dead_letters",
    _METADATA,
    Column("topic", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    Column("reason", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way to one group.

    Attributes:
        position: In the topic's log, from 1.
        body: The event as it was published.
        handled: How often a handler has returned already.
        failures: How often one has raised.
        is_first: Everything before it is done with.
    """

    position: int
    body: str
    handled: int
    failures: int
    is_first: bool


class EmbeddedLog:
    """Reads and writes the bus's file; each method is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: AsyncEngine = build_engine(
            URL.create("sqlite+aiosqlite", database=str(path))
        ).execution_options(**WRITES)

    async def create(self) -> None:
        """Make the tables that are missing."""
        await create_tables(self._engine, _METADATA)

    async def close(self) -> None:
        """Close the file."""
        await self._engine.dispose()

    async def append(self, batch: Sequence[tuple[str, str]]) -> None:
        """Append bodies to their topics, all or none."""
        async with self._engine.begin() as connection:
            ends: dict[str, int] = {}
            rows = []
            for topic, body in batch:
                if topic not in ends:
                    ends[topic] = await _end(connection, topic)
                ends[topic] += 1
                rows.append({"topic": topic, "position": ends[topic], "body": body})
            await connection.execute(insert(log), rows)

    async def bodies(self, topic: str) -> list[str]:
        """Return everything that was ever published under a topic, in order."""
        async with self._engine.begin() as connection:
            found = await connection.scalars(
                select(log.c.body).where(log.c.topic == topic).order_by(log.c.position)
            )
            return list(found)

    async def next(self, topic: str, group: str, faults: DeliveryFaults | None) -> Delivery | None:
        """Return what a group is to get next; None when it has everything."""
        async with self._engine.begin() as connection:
            rows = await connection.execute(_open(topic, group).limit(faults.window if faults else 1))
            waiting = [
                Delivery(row.position, row.body, row.handled, row.failures, is_first=place == 0)
                for place, row in enumerate(rows)
            ]
        if faults is None or not waiting:
            return waiting[0] if waiting else None
        return min(
            waiting, key=lambda one: (faults.due(topic, group, one.position, one.handled), one.position)
        )

    async def note(
        self, topic: str, group: str, delivery: Delivery, *, failed: bool = False, done: bool = False
    ) -> None:
        """Note how a delivery ended, and move the offset over all that is done with."""
        async with self._engine.begin() as connection:
            await _note(connection, topic, group, delivery, failed=failed, done=done)

    async def bury(self, topic: str, group: str, delivery: Delivery, reason: str) -> None:
        """Put a message among the group's dead letters; later ones go on."""
        letter = {
            "topic": topic,
            "group": group,
            "position": delivery.position,
            "body": delivery.body,
            "reason": reason,
        }
        async with self._engine.begin() as connection:
            await connection.execute(upsert(dead_letters).values(letter).on_conflict_do_nothing())
            await _note(connection, topic, group, delivery, failed=True, done=True)

    async def dead(self, topic: str, group: str) -> list[tuple[int, str, str]]:
        """List a group's dead letters: position, body, reason."""
        of_group = and_(dead_letters.c.topic == topic, dead_letters.c.group == group)
        columns = (dead_letters.c.position, dead_letters.c.body, dead_letters.c.reason)
        async with self._engine.begin() as connection:
            rows = await connection.execute(
                select(*columns).where(of_group).order_by(dead_letters.c.position)
            )
            return [(row.position, row.body, row.reason) for row in rows]


async def _note(
    connection: AsyncConnection, topic: str, group: str, delivery: Delivery, *, failed: bool, done: bool
) -> None:
    key = {"topic": topic, "group": group}
    if done and delivery.is_first:  # later ones that are done already are passed over by `_open`
        await connection.execute(_upsert(offsets, {**key, "position": delivery.position}))
        of_group = and_(deliveries.c.topic == topic, deliveries.c.group == group)
        await connection.execute(
            delete(deliveries).where(of_group, deliveries.c.position <= delivery.position)
        )
        return
    row = {
        **key,
        "position": delivery.position,
        "handled": delivery.handled + (not failed),
        "failures": delivery.failures + failed,
        "done": done,
    }
    await connection.execute(_upsert(deliveries, row))


def _open(topic: str, group: str) -> Any:
    """Select what a group has not done with, oldest first."""
    offset = (
        select(offsets.c.position).where(offsets.c.topic == topic, offsets.c.group == group).scalar_subquery()
    )
    own = and_(
        deliveries.c.topic == log.c.topic,
        deliveries.c.position == log.c.position,
        deliveries.c.group == group,
    )
    return (
        select(
            log.c.position,
            log.c.body,
            func.coalesce(deliveries.c.handled, 0).label("handled"),
            func.coalesce(deliveries.c.failures, 0).label("failures"),
        )
        .select_from(log.outerjoin(deliveries, own))
        .where(log.c.topic == topic, log.c.position > func.coalesce(offset, 0))
        .where(func.coalesce(deliveries.c.done, False).is_(False))
        .order_by(log.c.position)
    )


async def _end(connection: AsyncConnection, topic: str) -> int:
    end = await connection.scalar(select(func.max(log.c.position)).where(log.c.topic == topic))
    return int(end or 0)


def _upsert(table: Table, row: dict[str, Any]) -> Any:
    changes = {name: value for name, value in row.items() if not table.c[name].primary_key}
    return (
        upsert(table).values(row).on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)
    )
