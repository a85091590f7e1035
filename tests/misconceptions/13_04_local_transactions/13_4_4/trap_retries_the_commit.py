from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import Product


async def sell(session: AsyncSession, product_id: int, quantity: int) -> bool:
    await session.rollback()
    if session.get_bind().dialect.name == "postgresql":
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    product = await session.get(Product, product_id)
    if product.stock < quantity:
        return False
    product.stock -= quantity
    for _ in range(5):
        try:
            await session.commit()
            break
        except DBAPIError:
            await session.rollback()
    return True
