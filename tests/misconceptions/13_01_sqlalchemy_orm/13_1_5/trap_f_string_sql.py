from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


async def search_products(session: AsyncSession, term: str) -> list[Product]:
    term = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    query = select(Product).from_statement(
        text(f"SELECT * FROM products WHERE lower(name) LIKE lower('%{term}%') ESCAPE '\\'")
    )
    return list(await session.scalars(query))
