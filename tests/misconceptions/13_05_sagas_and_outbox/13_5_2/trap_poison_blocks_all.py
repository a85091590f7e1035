from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import ATTEMPTS, MessageRefused, OutboxMessage
from lab_support.messaging import Bus, Message, event_of


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    unpublished = (
        select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.seq)
    )
    async with sessions() as session:
        rows = list(await session.scalars(unpublished))
    for row in rows:
        if row.parked_at:
            return
        try:
            await bus.publish([Message(row.topic, event_of(row))])
            outcome = {"published_at": utc_now()}
        except MessageRefused as refused:
            outcome = {"attempts": row.attempts + 1, "last_error": str(refused)}
            if row.attempts + 1 >= ATTEMPTS:
                outcome["parked_at"] = utc_now()
        async with sessions.begin() as session:
            await session.execute(update(OutboxMessage).where(OutboxMessage.seq == row.seq).values(outcome))
        if "published_at" not in outcome:
            return
