from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import unit_of_work
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.messaging import Event
from lab_support.messaging.inbox import receive


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with unit_of_work(sessions) as uow:
        if await receive(uow.session, InboxMessage, CONSUMER, event):
            await uow.session.execute(
                update(Article)
                .where(Article.sku == event.payload["sku"])
                .values(on_hand=Article.on_hand - event.payload["quantity"])
            )
            await uow.commit()
