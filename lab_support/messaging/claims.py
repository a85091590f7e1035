"""Claims on outbox rows: whoever has claimed the oldest unpublished row of an aggregate owns its order.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Table, and_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.messaging.outbox import OutboxMixin


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that one relay may publish until a moment; the moment is also the mark of its ownership.

    Attributes:
        rows: In insertion order; the first of each aggregate is its oldest unpublished one.
        until: Until then no other relay publishes events of these aggregates.
        parked: Given up now, because each relay that published them died.
        complete: Nothing else could be claimed.
    """

    rows: Sequence[Row[Any]]
    until: datetime
    parked: Sequence[Row[Any]] = ()
    complete: bool = False


async def claim(
    session: AsyncSession,
    outbox: type[OutboxMixin],
    *,
    limit: int,
    now: datetime,
    lease_s: float,
    attempts: int = 5,
) -> Claim:
    """Claim the oldest rows that nobody is publishing, parks or has postponed; the caller commits.

    Of two relays that want the same rows one gets each row. Whoever got a later row of an aggregate, but not
    its oldest, gives it back here. A row that a relay left claimed, because it died, is claimed alone, and that
    costs an attempt: the row that kills each relay is parked in the end, and no other with it.
    """
    table = table_of(outbox)
    scatter = timedelta(microseconds=random.randrange(1_000_000))  # noqa: S311  (two relays must not agree)
    until = now + timedelta(seconds=lease_s) + scatter
    found = (await session.execute(_publishable(table, now).order_by(table.c.seq).limit(limit))).all()
    rows = _up_to_a_suspect(found)
    if not rows:
        return Claim((), until)
    if _is_suspect(rows[0]):
        return await _claim_suspect(session, table, rows[0], now, until, attempts)
    seqs = [row.seq for row in rows]
    result = await session.execute(
        update(table)
        .where(table.c.seq.in_(seqs), _free(table, now))
        .values(claimed_until=until, last_error=None)  # without an error it is not postponed, but claimed
    )
    if result.rowcount == len(rows):  # type: ignore[attr-defined]
        return Claim(rows, until, complete=len(rows) == len(found) < limit)
    mine = set(await session.scalars(select(table.c.seq).where(_held(table, seqs, until))))
    ordered = _from_the_oldest(rows, mine)
    await release(session, outbox, mine - {row.seq for row in ordered}, until)
    return Claim(ordered, until)


async def release(
    session: AsyncSession, outbox: type[OutboxMixin], seqs: Collection[int], until: datetime
) -> None:
    """Give rows back, unless the claim has expired and they belong to another relay by now."""
    if seqs:
        table = table_of(outbox)
        await session.execute(update(table).where(_held(table, seqs, until)).values(claimed_until=None))


async def mark_published(
    session: AsyncSession, outbox: type[OutboxMixin], seqs: Collection[int], now: datetime
) -> None:
    """Mark rows that the broker has confirmed, in one statement; true whoever holds the claim by now."""
    if seqs:
        table = table_of(outbox)
        confirmed = and_(table.c.seq.in_(seqs), table.c.published_at.is_(None))
        await session.execute(
            update(table).where(confirmed).values(published_at=now, claimed_until=None, parked_at=None)
        )


async def mark_failed(
    session: AsyncSession,
    outbox: type[OutboxMixin],
    row: Row[Any],
    claimed_until: datetime,
    *,
    reason: str,
    parked_at: datetime | None,
    again_at: datetime,
) -> None:
    """Note a failed attempt; the row waits for its next one, or is parked, and its aggregate with it."""
    table = table_of(outbox)
    await session.execute(
        update(table)
        .where(_held(table, [row.seq], claimed_until))
        .values(
            attempts=table.c.attempts + 1,
            last_error=reason,
            parked_at=parked_at,
            claimed_until=None if parked_at else again_at,
        )
    )


def table_of(outbox: type[OutboxMixin]) -> Table:
    """Give the outbox's table."""
    table: Table = outbox.__table__  # type: ignore[attr-defined]
    return table


def _is_suspect(row: Row[Any]) -> bool:
    return row.claimed_until is not None and row.last_error is None


def _up_to_a_suspect(rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    first = next((place for place, row in enumerate(rows) if _is_suspect(row)), len(rows))
    return rows[: max(first, 1)]


async def _claim_suspect(
    session: AsyncSession, table: Table, row: Row[Any], now: datetime, until: datetime, attempts: int
) -> Claim:
    parks = row.attempts + 1 >= attempts
    changes = {
        "attempts": row.attempts + 1,
        "claimed_until": None if parks else until,
        "parked_at": now if parks else None,
        "last_error": "Each relay that published this row ended before it could say how." if parks else None,
    }
    mine = and_(table.c.seq == row.seq, _free(table, now), table.c.attempts == row.attempts)
    result = await session.execute(update(table).where(mine).values(changes))
    won = bool(result.rowcount)  # type: ignore[attr-defined]
    return Claim([row] if won and not parks else (), until, parked=[row] if won and parks else ())


def _publishable(table: Table, now: datetime) -> Any:
    # Not correlated: it is run once, where a NOT EXISTS ran once per row on tables without statistics.
    held_back = select(table.c.aggregatetype, table.c.aggregateid).where(
        table.c.published_at.is_(None),
        or_(table.c.parked_at.is_not(None), table.c.claimed_until > now),
    )
    aggregate = tuple_(table.c.aggregatetype, table.c.aggregateid)
    return select(table).where(_free(table, now), aggregate.not_in(held_back.correlate(None)))


def _free(table: FromClause, now: datetime) -> ColumnElement[bool]:
    unclaimed = or_(table.c.claimed_until.is_(None), table.c.claimed_until <= now)
    return and_(table.c.published_at.is_(None), table.c.parked_at.is_(None), unclaimed)


def _held(table: Table, seqs: Collection[int], until: datetime) -> ColumnElement[bool]:
    return and_(table.c.seq.in_(seqs), table.c.claimed_until == until, table.c.published_at.is_(None))


def _from_the_oldest(rows: Sequence[Row[Any]], mine: Collection[int]) -> list[Row[Any]]:
    """Keep, of each aggregate, the rows up to the first that another relay was quicker to get."""
    lost: set[tuple[str, str]] = set()
    kept = []
    for row in rows:
        aggregate = (row.aggregatetype, row.aggregateid)
        if row.seq not in mine:
            lost.add(aggregate)
        elif aggregate not in lost:
            kept.append(row)
    return kept
