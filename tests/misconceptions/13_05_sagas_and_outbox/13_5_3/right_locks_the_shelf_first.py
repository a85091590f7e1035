from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.messaging import Event


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with sessions() as session:
        article = await session.get_one(Article, event.payload["sku"], with_for_update=True)
        if await session.get(InboxMessage, (CONSUMER, event.event_id)) is None:
            article.on_hand -= event.payload["quantity"]
            session.add(
                InboxMessage(
                    consumer=CONSUMER, event_id=event.event_id, type=event.type, received_at=utc_now()
                )
            )
            await session.commit()
