from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import Product


async def sell(session: AsyncSession, product_id: int, quantity: int) -> bool:
    sold = await session.execute(
        update(Product)
        .where(Product.id == product_id, Product.stock >= quantity)
        .values(stock=Product.stock - quantity)
    )
    await session.commit()
    return sold.rowcount == 1
