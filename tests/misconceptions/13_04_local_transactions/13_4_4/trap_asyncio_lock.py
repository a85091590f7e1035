import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import Product

selling = asyncio.Lock()


async def sell(session: AsyncSession, product_id: int, quantity: int) -> bool:
    async with selling:
        product = await session.get(Product, product_id, populate_existing=True)
        if product.stock < quantity:
            return False
        product.stock -= quantity
        await session.commit()
        return True
