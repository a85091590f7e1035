"""What the store does with products: one method per use case, the only place that commits.

Every change is one statement that carries its own condition, and the row is read after it. Between a read and
the write that follows it, somebody else may change or delete the row; here there is no such gap.

Section:
    13.1, "CRUD over HTTP"; 13.3 moves the statements into a repository
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.store.entities import Product
from lab_support.services.store.errors import EmptyUpdateError, ProductInUseError, ProductNotFoundError

MAX_ID = 2**31 - 1


class ProductService:
    """The use cases of products in one session, which the caller opens and closes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(self, columns: Mapping[str, Any]) -> Product:
        """Store a new product and give it its id."""
        product = Product(**columns)
        self._session.add(product)
        await self._session.commit()
        return product

    async def get(self, product_id: int) -> Product:
        """Read one product.

        Raises:
            ProductNotFoundError: No product has this id.
        """
        product = await self._session.get(Product, possible_id(product_id))
        if product is None:
            raise ProductNotFoundError(product_id)
        return product

    async def find(self, *, skip: int, limit: int, name_contains: str | None = None) -> Sequence[Product]:
        """Read one page of products in the order of their ids.

        Args:
            skip: How many products to leave out before the page.
            limit: How many products the page has at most.
            name_contains: Text to look for in the name, taken literally (`%` and `_` too) and whatever its
                capitals; SQLite knows the capitals of A to Z only.
        """
        query = select(Product).order_by(Product.id).offset(skip).limit(limit)
        if name_contains:
            query = query.where(Product.name.icontains(name_contains, autoescape=True))
        return (await self._session.scalars(query)).all()

    async def change(self, product_id: int, columns: Mapping[str, Any]) -> Product:
        """Set the given columns of a product and leave the others as they are.

        Raises:
            EmptyUpdateError: There is no column to set.
            ProductNotFoundError: No product has this id.
        """
        if not columns:
            raise EmptyUpdateError(product_id)
        await self._session.execute(
            update(Product).where(Product.id == possible_id(product_id)).values(**columns)
        )
        product = await self.get(product_id)
        await self._session.commit()
        return product

    async def delete(self, product_id: int) -> None:
        """Delete a product that no order refers to.

        Raises:
            ProductInUseError: At least one order item refers to it.
            ProductNotFoundError: No product has this id.
        """
        try:
            done = await self._session.execute(delete(Product).where(Product.id == possible_id(product_id)))
        except IntegrityError as error:
            raise ProductInUseError(product_id) from error
        if cast("CursorResult[Any]", done).rowcount == 0:
            raise ProductNotFoundError(product_id)
        await self._session.commit()


def possible_id(product_id: int) -> int:
    """Give the id back when the table's integer column could hold it.

    Raises:
        ProductNotFoundError: No row can have this id; asking a server for it would be an error of its driver.
    """
    if not 0 < product_id <= MAX_ID:
        raise ProductNotFoundError(product_id)
    return product_id
