from sqlalchemy import insert, select, update

from lab_support.exercises.s13_10.shop import SALES, STOCK, OutOfStockError, UnknownProductError
from lab_support.pools import PoolSettings

POOL = PoolSettings(size=20, max_overflow=100, timeout_s=0.2)


async def sell(engine, sku, units, receipt):
    connection = await engine.connect()
    free = await connection.scalar(select(STOCK.c.free).where(STOCK.c.sku == sku))
    if free is None:
        raise UnknownProductError(sku)
    if free < units:
        raise OutOfStockError(sku, free)
    await connection.execute(update(STOCK).where(STOCK.c.sku == sku).values(free=STOCK.c.free - units))
    await connection.execute(insert(SALES).values(receipt=receipt, sku=sku, units=units))
    await connection.commit()
    await connection.close()
    return free - units
