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
    summary = await session.get(OrderSummary, event.aggregate_id, with_for_update=True)
    if summary is None:
        summary = OrderSummary(order_id=event.aggregate_id, units=0, total=0, status="NEW", status_number=0)
        session.add(summary)
    match EVENTS.payload_of(event):
        case LineAdded(units=units, amount=amount):
            summary.units, summary.total = summary.units + units, summary.total + amount
        case StatusChanged(status=status, number=number) if number > summary.status_number:
            summary.status, summary.status_number = status, number


async def project(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with sessions.begin() as session:
        if await receive(session, Inbox, CONSUMER, event):
            await _apply(session, event)


async def rebuild(sessions: async_sessionmaker[AsyncSession], history: AsyncIterator[Event]) -> None:
    async with sessions.begin() as session:  # readers see the old rows until it commits
        await session.execute(delete(OrderSummary))
        await session.execute(delete(Inbox).where(Inbox.consumer == CONSUMER))
        async for event in history:
            if await receive(session, Inbox, CONSUMER, event):
                await _apply(session, event)
