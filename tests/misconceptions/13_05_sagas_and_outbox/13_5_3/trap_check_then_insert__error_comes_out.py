from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.messaging import Event


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with sessions.begin() as session:
        if await session.get(InboxMessage, (CONSUMER, event.event_id)):
            return
        session.add(
            InboxMessage(consumer=CONSUMER, event_id=event.event_id, type=event.type, received_at=utc_now())
        )
        await session.execute(
            update(Article)
            .where(Article.sku == event.payload["sku"])
            .values(on_hand=Article.on_hand - event.payload["quantity"])
        )
