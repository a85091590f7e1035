from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


@asynccontextmanager
async def UnitOfWork(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[SimpleNamespace]:
    async with sessions() as session:
        yield SimpleNamespace(session=session, commit=session.commit)
