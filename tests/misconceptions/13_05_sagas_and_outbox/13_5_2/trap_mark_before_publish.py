from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import ATTEMPTS, MessageRefused, OutboxMessage
from lab_support.messaging import Bus, Message, event_of


async def mark(sessions: async_sessionmaker[AsyncSession], seq: int, **outcome: object) -> None:
    async with sessions.begin() as session:
        await session.execute(update(OutboxMessage).where(OutboxMessage.seq == seq).values(**outcome))


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    unpublished = (
        select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.seq)
    )
    async with sessions() as session:
        rows = list(await session.scalars(unpublished))
    waiting = set()
    for row in rows:
        aggregate = (row.aggregatetype, row.aggregateid)
        if row.parked_at or aggregate in waiting:
            waiting.add(aggregate)
            continue
        await mark(sessions, row.seq, published_at=utc_now())
        try:
            await bus.publish([Message(row.topic, event_of(row))])
        except MessageRefused as refused:
            waiting.add(aggregate)
            parked_at = utc_now() if row.attempts + 1 >= ATTEMPTS else None
            await mark(
                sessions,
                row.seq,
                published_at=None,
                attempts=row.attempts + 1,
                last_error=str(refused),
                parked_at=parked_at,
            )
