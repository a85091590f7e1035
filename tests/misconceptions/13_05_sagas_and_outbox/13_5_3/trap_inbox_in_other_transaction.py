from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.messaging import Event


async def is_new(sessions: async_sessionmaker[AsyncSession], event: Event) -> bool:
    try:
        async with sessions.begin() as session:
            session.add(
                InboxMessage(
                    consumer=CONSUMER, event_id=event.event_id, type=event.type, received_at=utc_now()
                )
            )
    except IntegrityError:
        return False
    return True


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    if not await is_new(sessions, event):
        return
    async with sessions.begin() as session:
        await session.execute(
            update(Article)
            .where(Article.sku == event.payload["sku"])
            .values(on_hand=Article.on_hand - event.payload["quantity"])
        )
