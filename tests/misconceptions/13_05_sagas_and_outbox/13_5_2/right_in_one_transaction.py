from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import ATTEMPTS, MessageRefused, OutboxMessage
from lab_support.messaging import Bus, Message, event_of


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    unpublished = (
        select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.seq)
    )
    async with sessions.begin() as session:
        waiting = set()
        for row in await session.scalars(unpublished.with_for_update(skip_locked=True)):
            aggregate = (row.aggregatetype, row.aggregateid)
            if row.parked_at is None and aggregate not in waiting:
                await publish(bus, row)
            if row.published_at is None:
                waiting.add(aggregate)


async def publish(bus: Bus, row: OutboxMessage) -> None:
    try:
        await bus.publish([Message(row.topic, event_of(row))])
    except MessageRefused as refused:
        row.attempts += 1
        row.last_error = repr(refused)
        row.parked_at = utc_now() if row.attempts >= ATTEMPTS else None
    else:
        row.published_at = utc_now()
