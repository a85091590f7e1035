from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import Product


async def sell(session: AsyncSession, product_id: int, quantity: int) -> bool:
    while True:
        stock, version = (
            await session.execute(select(Product.stock, Product.version).where(Product.id == product_id))
        ).one()
        if stock < quantity:
            await session.rollback()
            return False
        sold = await session.execute(
            update(Product)
            .where(Product.id == product_id, Product.version == version)
            .values(stock=stock - quantity, version=version + 1)
        )
        if sold.rowcount == 1:
            await session.commit()
            return True
        await session.rollback()
