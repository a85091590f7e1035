from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Protocol

from fastapi import Depends, Request
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


async def product_repository(request: Request) -> AsyncIterator[Products]:
    async with request.app.state.sessions() as session:
        yield SqlProducts(session)


class ProductService:
    def __init__(self, products: Products) -> None:
        self._products = products

    async def price_of(self, product_id: int) -> Decimal:
        product = await self._products.get_by_id(product_id)
        if product is None:
            raise LookupError(f"There is no product {product_id}.")
        return product.price

    async def discount(self, product_id: int, percent: int) -> Decimal:
        price = await self.price_of(product_id) * (100 - percent) / 100
        await self._products.set_price(product_id, price)
        return price
