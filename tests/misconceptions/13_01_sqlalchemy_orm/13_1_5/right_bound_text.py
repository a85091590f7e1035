from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def search_products(session: AsyncSession, term: str) -> list[Product]:
    query = select(Product).from_statement(
        text("SELECT * FROM products WHERE instr(lower(name), lower(:term)) > 0").bindparams(term=term)
    )
    return list(await session.scalars(query))
