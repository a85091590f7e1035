"""What the gateway has to begin with: an empty read model. All it knows it hears from others.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, unit_of_work
from lab_support.services.gateway.repository import SummaryRepository


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Say which generation of the read model is shown; two processes that start at once say it once."""
    await retry_transaction(lambda: _begin(sessions))


async def _begin(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with unit_of_work(sessions) as uow:
        await SummaryRepository(uow.session).generations()
        await uow.commit()
