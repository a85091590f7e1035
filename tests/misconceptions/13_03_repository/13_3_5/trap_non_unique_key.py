from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def page_of_products(
    session: AsyncSession, after: str | None, limit: int
) -> tuple[list[Product], str | None]:
    query = select(Product).order_by(Product.price).limit(limit + 1)
    if after is not None:
        query = query.where(Product.price > Decimal(after))
    found = list(await session.scalars(query))
    items = found[:limit]
    return items, str(items[-1].price) if len(found) > limit else None
