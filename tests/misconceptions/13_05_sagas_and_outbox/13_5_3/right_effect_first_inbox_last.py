from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.messaging import Event


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with sessions() as session:
        if await session.get(InboxMessage, (CONSUMER, event.event_id)):
            return
        shelf = update(Article).where(Article.sku == event.payload["sku"])
        await session.execute(shelf.values(on_hand=Article.on_hand - event.payload["quantity"]))
        session.add(
            InboxMessage(consumer=CONSUMER, event_id=event.event_id, type=event.type, received_at=utc_now())
        )
        try:
            await session.flush()
        except IntegrityError:
            await session.rollback()
        else:
            await session.commit()
