import base64
import json
from decimal import Decimal

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def page_of_products(
    session: AsyncSession, after: str | None, limit: int
) -> tuple[list[Product], str | None]:
    query = select(Product).order_by(Product.price, Product.id).limit(limit)
    if after is not None:
        price, number = json.loads(base64.urlsafe_b64decode(after))
        dearer = Product.price > Decimal(price)
        later = and_(Product.price == Decimal(price), Product.id > number)
        query = query.where(or_(dearer, later))
    items = list(await session.scalars(query))
    if not items:
        return [], None
    last = json.dumps([str(items[-1].price), items[-1].id])
    return items, base64.urlsafe_b64encode(last.encode()).decode()
