"""Rows of an outbox as the judge stores them, reads them, and finds them again on a bus.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import OutboxMessage
from lab_support.exercises.story import Story

Row = dict[str, Any]
Published = list[dict[str, Any]]
KINDS = {True: "Order", False: "Customer"}
TYPES = ("Created", "Changed", "Confirmed", "Cancelled")


def draw(story: Story, letters: str) -> list[Row]:
    """Make a row for each letter, in their order; numbers go on from the last row of this check.

    Args:
        story: Keeps the last number.
        letters: The same letter is the same aggregate, new at each call. "A" and "a" are of two kinds, with one id.

    Their clocks disagree: only the numbers give the order.
    """
    ids = {letter: str(story.random.randint(10**5, 10**6)) for letter in sorted(set(letters.upper()))}
    last = (story.seen.last_seq or 0) + story.random.randint(1, 50)
    story.saw(last_seq=last + len(letters))
    return [
        _row(story, letter, ids[letter.upper()], last + number) for number, letter in enumerate(letters, 1)
    ]


def _row(story: Story, letter: str, aggregate_id: str, seq: int) -> Row:
    kind = KINDS[letter.isupper()]
    uuids = [UUID(int=story.random.getrandbits(128), version=4) for _ in range(3)]
    return {
        "seq": seq,
        "id": uuids[0],
        "aggregatetype": kind,
        "aggregateid": aggregate_id,
        "type": kind + story.random.choice(TYPES),
        "payload": {"number": story.random.randint(1, 10**6)},
        "topic": f"{kind.lower()}s",
        "headers": {"saga_id": str(uuids[1]), "causation_id": str(uuids[2]), "version": 1},
        "occurred_at": utc_now() - timedelta(seconds=story.random.randint(1, 3600)),
    }


async def store(story: Story, rows: Sequence[Row], *, published: bool = False) -> None:
    """Store rows, as one commit of somebody's; published ones are marked already."""
    moment = utc_now() if published else None
    await story.write(insert(OutboxMessage), [{**row, "published_at": moment} for row in rows])


async def fill(story: Story, letters: str, *, published: bool = False) -> list[Row]:
    """Draw rows and store them."""
    rows = draw(story, letters)
    await store(story, rows, published=published)
    return rows


async def outbox_now(story: Story) -> list[Row]:
    """Read the outbox, by its numbers."""
    return await story.rows(select(*OutboxMessage.__table__.c).order_by(OutboxMessage.seq))


def ids_of(log: Published) -> set[str]:
    """Return the ids of the events on the bus."""
    return {one["event_id"] for one in log}


def on_bus(row: Row) -> dict[str, Any]:
    """Say how a row looks on the bus, its time apart."""
    return {
        "topic": row["topic"],
        "event_id": str(row["id"]),
        "type": row["type"],
        "aggregate_type": row["aggregatetype"],
        "aggregate_id": row["aggregateid"],
        "payload": row["payload"],
        **row["headers"],
    }


def not_as_stored(rows: Sequence[Row], log: Published) -> Published:
    """Return the messages that are not what a row holds."""
    stored = {str(row["id"]): on_bus(row) for row in rows}
    return [one for one in log if {**one, **stored.get(one["event_id"], {"type": ""})} != one]


def order_kept(rows: Sequence[Row], log: Published) -> bool:
    """Whether the events of each aggregate came first in the order of their numbers; repetitions do no harm."""
    first = {one["event_id"]: place for place, one in reversed([*enumerate(log)])}
    aggregates: dict[tuple[str, str], list[int]] = {}
    for row in sorted(rows, key=lambda one: int(one["seq"])):
        places = aggregates.setdefault((row["aggregatetype"], row["aggregateid"]), [])
        places.append(first[str(row["id"])])
    return all(places == sorted(places) for places in aggregates.values())
