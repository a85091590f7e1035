from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


class UnitOfWork:
    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.session = sessions()

    async def __aenter__(self):
        await self.session.begin()
        return self

    async def __aexit__(self, kind, error, trace):
        try:
            if self.session.in_transaction():
                await self.session.rollback()
        finally:
            await self.session.close()
        return False

    async def commit(self) -> None:
        await self.session.commit()
