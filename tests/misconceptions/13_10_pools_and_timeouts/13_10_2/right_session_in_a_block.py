from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_10.shop import SALES, STOCK, OutOfStockError, UnknownProductError
from lab_support.pools import PoolSettings

POOL = PoolSettings(size=2, max_overflow=1, timeout_s=0.2)


async def sell(engine, sku, units, receipt):
    async with AsyncSession(engine) as session, session.begin():
        free = (await session.execute(STOCK.select().where(STOCK.c.sku == sku))).one_or_none()
        if free is None:
            raise UnknownProductError(sku)
        if free.free < units:
            raise OutOfStockError(sku, free.free)
        await session.execute(insert(SALES).values(receipt=receipt, sku=sku, units=units))
        taken = update(STOCK).where(STOCK.c.sku == sku).values(free=STOCK.c.free - units)
        return await session.scalar(taken.returning(STOCK.c.free))
