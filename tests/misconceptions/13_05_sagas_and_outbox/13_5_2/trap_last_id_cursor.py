from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import ATTEMPTS, MessageRefused, OutboxMessage
from lab_support.messaging import Bus, Message, event_of


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    async with sessions() as session:
        published = select(func.max(OutboxMessage.seq)).where(OutboxMessage.published_at.is_not(None))
        last = await session.scalar(published) or 0
        newer = select(OutboxMessage).where(OutboxMessage.seq > last).order_by(OutboxMessage.seq)
        rows = list(await session.scalars(newer))
    waiting = set()
    for row in rows:
        aggregate = (row.aggregatetype, row.aggregateid)
        if row.parked_at or aggregate in waiting:
            waiting.add(aggregate)
            continue
        try:
            await bus.publish([Message(row.topic, event_of(row))])
            outcome = {"published_at": utc_now()}
        except MessageRefused as refused:
            waiting.add(aggregate)
            outcome = {"attempts": row.attempts + 1, "last_error": str(refused)}
            if row.attempts + 1 >= ATTEMPTS:
                outcome["parked_at"] = utc_now()
        async with sessions.begin() as session:
            await session.execute(update(OutboxMessage).where(OutboxMessage.seq == row.seq).values(outcome))
