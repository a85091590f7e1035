from decimal import Decimal

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def page_of_products(
    session: AsyncSession, after: str | None, limit: int
) -> tuple[list[Product], str | None]:
    query = select(Product).order_by(Product.price, Product.id).limit(limit + 1)
    if after:
        price, _, number = after.partition(" ")
        query = query.where(tuple_(Product.price, Product.id) > (Decimal(price), int(number)))
    found = (await session.scalars(query)).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], last and f"{last.price} {last.id}"
