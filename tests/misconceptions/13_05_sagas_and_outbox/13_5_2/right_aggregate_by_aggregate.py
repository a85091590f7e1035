from itertools import groupby

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import ATTEMPTS, MessageRefused, OutboxMessage
from lab_support.messaging import Bus, Message, event_of


def aggregate_of(row: OutboxMessage) -> tuple[str, str]:
    return row.aggregatetype, row.aggregateid


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    async with sessions() as session:
        rows = list(await session.scalars(select(OutboxMessage).where(OutboxMessage.published_at.is_(None))))
    rows.sort(key=lambda row: (aggregate_of(row), row.seq))
    for _, of_one in groupby(rows, aggregate_of):
        for row in of_one:
            if row.parked_at is not None or not await goes_out(sessions, bus, row):
                break


async def goes_out(sessions: async_sessionmaker[AsyncSession], bus: Bus, row: OutboxMessage) -> bool:
    this = update(OutboxMessage).where(OutboxMessage.seq == row.seq)
    try:
        await bus.publish([Message(row.topic, event_of(row))])
        done, change = True, this.values(published_at=utc_now())
    except MessageRefused as refused:
        parked_at = None if row.attempts + 1 < ATTEMPTS else utc_now()
        done, change = (
            False,
            this.values(attempts=OutboxMessage.attempts + 1, last_error=str(refused), parked_at=parked_at),
        )
    async with sessions.begin() as session:
        await session.execute(change)
    return done
