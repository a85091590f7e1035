from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import ATTEMPTS, MessageRefused, OutboxMessage
from lab_support.messaging import Bus, Message, event_of


async def relay_turn(sessions: async_sessionmaker[AsyncSession], bus: Bus) -> None:
    held = select(OutboxMessage.aggregatetype, OutboxMessage.aggregateid).where(
        OutboxMessage.parked_at.is_not(None), OutboxMessage.published_at.is_(None)
    )
    async with sessions() as session:
        parked = {tuple(one) for one in await session.execute(held)}
        waiting = (
            select(OutboxMessage).where(OutboxMessage.published_at.is_(None)).order_by(OutboxMessage.seq)
        )
        rows = [
            row
            for row in await session.scalars(waiting.limit(100))
            if (row.aggregatetype, row.aggregateid) not in parked
        ]
    if not rows:
        return
    try:
        await bus.publish([Message(row.topic, event_of(row)) for row in rows])
    except MessageRefused:
        await one_by_one(sessions, bus, rows)
    else:
        await mark(sessions, [row.seq for row in rows], {"published_at": utc_now()})


async def one_by_one(sessions: async_sessionmaker[AsyncSession], bus: Bus, rows: list[OutboxMessage]) -> None:
    stopped = set()
    for row in rows:
        aggregate = (row.aggregatetype, row.aggregateid)
        if aggregate in stopped:
            continue
        try:
            await bus.publish([Message(row.topic, event_of(row))])
        except MessageRefused as refused:
            stopped.add(aggregate)
            attempts = row.attempts + 1
            outcome = {"attempts": attempts, "last_error": str(refused)}
            await mark(
                sessions, [row.seq], outcome | ({"parked_at": utc_now()} if attempts >= ATTEMPTS else {})
            )
        else:
            await mark(sessions, [row.seq], {"published_at": utc_now()})


async def mark(sessions: async_sessionmaker[AsyncSession], seqs: list[int], outcome: dict) -> None:
    async with sessions.begin() as session:
        await session.execute(update(OutboxMessage).where(OutboxMessage.seq.in_(seqs)).values(outcome))
