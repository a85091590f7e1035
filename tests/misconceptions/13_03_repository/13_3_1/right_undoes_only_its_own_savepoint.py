from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product


class ProductRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_by_id(self, product_id: int) -> Product | None:
        return await self._session.get(Product, product_id)

    async def get_all(self) -> list[Product]:
        return list(await self._session.scalars(select(Product).order_by(Product.id)))

    async def get_by_name(self, name: str) -> Product | None:
        found = await self._session.scalars(select(Product).filter_by(name=name).order_by(Product.id))
        return found.first()

    async def create(self, columns: Mapping[str, Any]) -> Product:
        async with self._session.begin_nested():
            product = Product(**columns)
            self._session.add(product)
        return product

    async def update(self, product_id: int, changes: Mapping[str, Any]) -> Product | None:
        product = await self.get_by_id(product_id)
        if product is not None:
            for column, value in changes.items():
                setattr(product, column, value)
            await self._session.flush()
        return product

    async def delete(self, product_id: int) -> bool:
        product = await self.get_by_id(product_id)
        if product is None:
            return False
        await self._session.delete(product)
        await self._session.flush()
        return True
