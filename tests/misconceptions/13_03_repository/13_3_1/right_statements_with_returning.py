from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


class ProductRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get_by_id(self, product_id: int) -> Product | None:
        return await self.session.scalar(select(Product).where(Product.id == product_id))

    async def get_all(self):
        return (await self.session.execute(select(Product).order_by(Product.id))).scalars().all()

    async def get_by_name(self, name: str) -> Product | None:
        oldest = select(func.min(Product.id)).where(Product.name == name).scalar_subquery()
        return await self.session.scalar(select(Product).where(Product.id == oldest))

    async def create(self, columns: Mapping[str, Any]) -> Product:
        return await self.session.scalar(insert(Product).returning(Product), [dict(columns)])

    async def update(self, product_id: int, changes: Mapping[str, Any]) -> Product | None:
        statement = update(Product).where(Product.id == product_id).values(**changes).returning(Product)
        changed = await self.session.scalars(statement, execution_options={"populate_existing": True})
        return changed.one_or_none()

    async def delete(self, product_id: int) -> bool:
        gone = await self.session.scalar(
            delete(Product).where(Product.id == product_id).returning(Product.id)
        )
        return gone is not None
