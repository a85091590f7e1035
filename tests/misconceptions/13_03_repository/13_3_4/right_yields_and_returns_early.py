from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Protocol

from fastapi import Depends
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.services.store.entities import Product

Session = Annotated[AsyncSession, Depends(get_session)]


class Products(Protocol):
    async def get_by_id(self, product_id: int) -> Product | None: ...

    async def set_price(self, product_id: int, price: Decimal) -> None: ...


class SqlProducts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get_by_id(self, product_id: int) -> Product | None:
        return await self._session.scalar(select(Product).where(Product.id == product_id))

    async def set_price(self, product_id: int, price: Decimal) -> None:
        await self._session.execute(update(Product).where(Product.id == product_id).values(price=price))


async def product_repository(
    session: AsyncSession = Depends(get_session),
) -> AsyncIterator[Products]:
    yield SqlProducts(session)


class UnknownProductError(KeyError):
    pass


class ProductService:
    def __init__(self, products):
        self.products = products

    async def price_of(self, product_id):
        if product := await self.products.get_by_id(product_id):
            return product.price
        raise UnknownProductError(product_id)

    async def discount(self, product_id, percent):
        price = await self.price_of(product_id)
        price -= price * Decimal(percent) / 100
        await self.products.set_price(product_id, price)
        return price
