from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_05.shop import Article
from lab_support.messaging import Event

done: set[UUID] = set()


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    if event.event_id in done:
        return
    async with sessions.begin() as session:
        await session.execute(
            update(Article)
            .where(Article.sku == event.payload["sku"])
            .values(on_hand=Article.on_hand - event.payload["quantity"])
        )
    done.add(event.event_id)
