from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def search_products(session: AsyncSession, term: str) -> list[Product]:
    query = select(Product).where(Product.name.ilike(f"%{term}%")).order_by(Product.id)
    return list(await session.scalars(query))
