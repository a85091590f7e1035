from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import Product


async def sell(session: AsyncSession, product_id: int, quantity: int) -> bool:
    postgresql = session.get_bind().dialect.name == "postgresql"
    while True:
        await session.rollback()
        if postgresql:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        product = await session.get(Product, product_id)
        if product.stock < quantity:
            return False
        product.stock -= quantity
        try:
            await session.commit()
            return True
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "40001":
                raise
