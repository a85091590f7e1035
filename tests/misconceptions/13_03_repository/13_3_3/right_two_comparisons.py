from decimal import Decimal
from typing import Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product

Entity = TypeVar("Entity")


class Repository(Generic[Entity]):
    entity: type[Entity]

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_by_id(self, entity_id: int) -> Entity | None:
        return await self._session.get(self.entity, entity_id)

    async def get_all(self) -> list[Entity]:
        return list(await self._session.scalars(select(self.entity).order_by(self.entity.id)))


class CatalogueRepository(Repository[Product]):
    entity = Product

    async def in_category(self, category: str, lowest: Decimal, highest: Decimal) -> list[Product]:
        query = (
            select(Product)
            .filter_by(category=category)
            .filter(Product.price >= lowest, Product.price <= highest)
            .order_by(Product.price.asc(), Product.id.asc())
        )
        return (await self._session.execute(query)).scalars().all()
