from lab_support.database.inserts import (
    insert_if_absent,
)  # (session, entity, **columns): a row, unless it is there
from lab_support.exercises.s13_09.summaries import (
    CONSUMER,
    EVENTS,
    Inbox,
    LineAdded,
    OrderSummary,
    StatusChanged,
)
from lab_support.messaging import Event
from lab_support.messaging.inbox import receive

from collections.abc import AsyncIterator

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


async def _apply(session: AsyncSession, event: Event) -> None:
    await insert_if_absent(session, OrderSummary, order_id=event.aggregate_id)
    mine = update(OrderSummary).where(OrderSummary.order_id == event.aggregate_id)
    payload = EVENTS.payload_of(event)
    if isinstance(payload, LineAdded):
        more = mine.values(
            units=OrderSummary.units + payload.units, total=OrderSummary.total + payload.amount
        )
        await session.execute(more)
    elif isinstance(payload, StatusChanged):
        newer = mine.where(OrderSummary.status_number < payload.number)
        await session.execute(newer.values(status=payload.status, status_number=payload.number))


async def project(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with sessions.begin() as session:
        await _apply(session, event)


async def rebuild(sessions: async_sessionmaker[AsyncSession], history: AsyncIterator[Event]) -> None:
    async with sessions.begin() as session:  # readers see the old rows until it commits
        await session.execute(delete(OrderSummary))
        await session.execute(delete(Inbox).where(Inbox.consumer == CONSUMER))
        async for event in history:
            await _apply(session, event)
