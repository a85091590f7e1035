from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def search_products(session: AsyncSession, term: str) -> list[Product]:
    literal = term.replace("/", "//").replace("%", "/%").replace("_", "/_")
    query = select(Product).where(Product.name.ilike(f"%{literal}%", escape="/"))
    return list(await session.scalars(query))
