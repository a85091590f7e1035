from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.exercises.s13_04.shop import Product


async def sell(session: AsyncSession, product_id: int, quantity: int) -> bool:
    product = await session.get(Product, product_id, with_for_update=True, populate_existing=True)
    enough = product.stock >= quantity
    if enough:
        product.stock -= quantity
    await session.commit()
    return enough
