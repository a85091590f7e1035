from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def page_of_products(
    session: AsyncSession, after: str | None, limit: int
) -> tuple[list[Product], str | None]:
    skip = int(after or 0)
    query = select(Product).order_by(Product.price, Product.id).offset(skip).limit(limit + 1)
    found = list(await session.scalars(query))
    return found[:limit], str(skip + limit) if len(found) > limit else None
