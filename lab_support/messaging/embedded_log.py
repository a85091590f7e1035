"""The file of the embedded bus: an append-only log for each topic, and how far each group has come.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lab_support.database import WRITES, build_engine, create_tables
from lab_support.messaging.bus import DeadLetter
from lab_support.messaging.delivery_faults import DeliveryFaults
from lab_support.messaging.embedded_batch import Batch, Delivery
from lab_support.messaging.embedded_statements import (
    FORGET_PASSED,
    OPEN_DELIVERIES,
    end_of,
    letter_of,
    named,
    note_of,
    upsert_into,
)
from lab_support.messaging.embedded_tables import METADATA, dead_letters, deliveries, log, offsets, retries


class EmbeddedLog:
    """Reads and writes the bus's file; each method is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: AsyncEngine = build_engine(URL.create("sqlite+aiosqlite", database=str(path)))
        self._writer = self._engine.execution_options(**WRITES)

    async def create(self) -> None:
        """Make the tables that are missing."""
        await create_tables(self._writer, METADATA)

    async def close(self) -> None:
        """Close the file."""
        await self._engine.dispose()

    async def append(self, batch: Sequence[tuple[str, str]]) -> None:
        """Append bodies to their topics, all or none."""
        async with self._writer.begin() as connection:
            ends: dict[str, int] = {}
            rows = []
            for topic, body in batch:
                if topic not in ends:
                    ends[topic] = await end_of(connection, topic)
                ends[topic] += 1
                rows.append({"topic": topic, "position": ends[topic], "body": body})
            await connection.execute(insert(log), rows)

    async def register(self, topic: str, group: str) -> None:
        """Make a group known, at the beginning of the log, so that nothing is purged before it has read it."""
        row = {"topic": topic, "group": group, "position": 0}
        async with self._writer.begin() as connection:
            await connection.execute(upsert(offsets).values(row).on_conflict_do_nothing())

    async def bodies(self, topic: str) -> list[str]:
        """Return everything under a topic that was not purged, in order."""
        async with self._engine.begin() as connection:
            found = await connection.scalars(
                select(log.c.body).where(log.c.topic == topic).order_by(log.c.position)
            )
            return list(found)

    async def next(self, topic: str, group: str, faults: DeliveryFaults | None, limit: int) -> Batch:
        """Read what a group is to get next, for at most so many deliveries."""
        window = limit + faults.window - 1 if faults else limit
        async with self._engine.connect() as connection:  # only reads: nothing to commit
            wanted = {"topic": topic, "group": group, "limit": window}
            rows = [Delivery(*row) for row in await connection.execute(OPEN_DELIVERIES, wanted)]
        return Batch(topic, group, rows, faults, limit)

    async def settle(self, batch: Batch) -> None:
        """Keep what became of a batch, and move the offset over all that is done with."""
        if not batch.touched:
            return
        key = {"topic": batch.topic, "group": batch.group}
        async with self._writer.begin() as connection:
            await self._settle(connection, batch, key)

    async def dead(self, topic: str | None, group: str | None) -> list[DeadLetter]:
        """List dead letters, oldest first; None means every topic, every group."""
        columns = (dead_letters.c.topic, dead_letters.c.group, dead_letters.c.body, dead_letters.c.reason)
        async with self._engine.begin() as connection:
            rows = await connection.execute(
                select(*columns).where(*named(dead_letters, topic, group)).order_by(*dead_letters.primary_key)
            )
            return [DeadLetter(*row) for row in rows]

    async def retry(self, topic: str, group: str) -> int:
        """Have a group's dead letters delivered again, with all their attempts; return how many they are."""
        of_group = named(dead_letters, topic, group)
        names = ["topic", "group", "position", "body"]
        moved = select(*[dead_letters.c[name] for name in names]).where(*of_group)
        again = upsert(deliveries).from_select(
            ["topic", "group", "position", "handled", "failures", "done"],
            select(
                *[dead_letters.c[name] for name in names[:3]], literal(0), literal(0), literal(True)
            ).where(*of_group),
        )
        async with self._writer.begin() as connection:
            await connection.execute(again.on_conflict_do_update(set_={"handled": 0, "failures": 0}))
            await connection.execute(insert(retries).from_select(names, moved))
            result = await connection.execute(delete(dead_letters).where(*of_group))
            return int(result.rowcount)

    async def purge(self, keep: int, limit: int) -> int:
        """Delete what every known group of a topic has passed, but for the newest messages of the topic."""
        passed = select(offsets.c.topic, func.min(offsets.c.position).label("position")).group_by(
            offsets.c.topic
        )
        async with self._writer.begin() as connection:
            deleted = 0
            for topic, position in (await connection.execute(passed)).all():
                before = min(
                    position, await end_of(connection, topic) - max(keep, 1)
                )  # the end numbers the next one
                old = select(log.c.position).where(log.c.topic == topic, log.c.position <= before)
                some = old.order_by(log.c.position).limit(limit - deleted)
                result = await connection.execute(
                    delete(log).where(log.c.topic == topic, log.c.position.in_(some))
                )
                deleted += int(result.rowcount)
            return deleted

    async def forget(self, topic: str, group: str) -> None:
        """Make a group unknown, so that it holds back no purge."""
        async with self._writer.begin() as connection:
            for table in (offsets, deliveries, retries):
                await connection.execute(delete(table).where(*named(table, topic, group)))

    async def _settle(self, connection: AsyncConnection, batch: Batch, key: dict[str, Any]) -> None:
        passed, of_batch = batch.passed, (batch.topic, batch.group)
        letters = [letter_of(one, key) for one in batch.touched if one.reason is not None]
        if letters:
            await connection.execute(upsert(dead_letters).on_conflict_do_nothing(), letters)
        ended = [one.position for one in batch.touched if one.retried and one.done]
        if ended:
            await connection.execute(
                delete(retries).where(*named(retries, *of_batch), retries.c.position.in_(ended))
            )
        if passed is not None:
            await connection.execute(upsert_into(offsets), {**key, "position": passed})
        notes = [note_of(one, key) for one in batch.touched if one.retried or one.position > (passed or 0)]
        if notes:
            await connection.execute(upsert_into(deliveries), notes)
        if ended or (passed is not None and batch.had_notes):
            await connection.execute(FORGET_PASSED, key)
