from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import OutboxMessage
from lab_support.messaging import Bus, Message, event_of


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    unpublished = (
        select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.seq)
    )
    async with sessions.begin() as session:
        rows = list(await session.scalars(unpublished))
        for row in rows:
            row.published_at = utc_now()
    await bus.publish([Message(row.topic, event_of(row)) for row in rows])
