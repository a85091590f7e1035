from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import CONSUMER, Article, InboxMessage
from lab_support.messaging import Event

INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


async def handle(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with sessions.begin() as session:
        noted = await session.scalar(
            INSERT[session.get_bind().dialect.name](InboxMessage)
            .values(consumer=CONSUMER, event_id=event.event_id, type=event.type, received_at=utc_now())
            .on_conflict_do_nothing()
            .returning(InboxMessage.event_id)
        )
        if noted is not None:
            shelf = update(Article).where(Article.sku == event.payload["sku"])
            await session.execute(shelf.values(on_hand=Article.on_hand - event.payload["quantity"]))
