"""The store's collections in a relational database, through the session of whoever commits.

Section:
    13.3, "A generic base, and what is special about gift cards"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from lab_support.repositories import KeysetPage, SqlAlchemyRepository
from lab_support.services.store.entities import Order, OrderItem, Product, User
from lab_support.services.store.repository.protocols import OrderSearch, ProductSearch


class SqlAlchemyProductRepository(SqlAlchemyRepository[Product, int]):
    """Products as rows; every condition is the database's work."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, Product)

    async def get_by_name(self, name: str, /) -> Product | None:
        """Give the oldest product with exactly this name."""
        return await self._first(Product.name == name)

    async def find(self, search: ProductSearch, /, *, skip: int = 0, limit: int = 100) -> Sequence[Product]:
        """Give at most `limit` of the products meant, after leaving out `skip`."""
        return await self._find(*conditions(search), skip=skip, limit=limit)

    async def page(
        self, search: ProductSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Product, int]:
        """Give at most `limit` of the products meant, from those with an id above `after`."""
        return await self._page(*conditions(search), after=after, limit=limit)


def conditions(search: ProductSearch, products: Any = Product) -> list[ColumnElement[bool]]:
    """Say in SQL which products are meant; `products` is any class with the attributes of `Product`."""
    found: list[ColumnElement[bool]] = []
    if search.category is not None:
        found.append(products.category == search.category)
    if search.min_price is not None:
        found.append(products.price >= search.min_price)
    if search.max_price is not None:
        found.append(products.price <= search.max_price)
    if search.name_contains:
        found.append(products.name.icontains(search.name_contains, autoescape=True))
    return found


class SqlAlchemyUserRepository(SqlAlchemyRepository[User, int]):
    """Users as rows."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, User)

    async def get_by_email(self, email: str, /) -> User | None:
        """Give the user with this address."""
        return await self._first(User.email == email)


class SqlAlchemyOrderRepository(SqlAlchemyRepository[Order, int]):
    """Orders as rows, each with its items and their products: two statements, however many items."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(
            session, Order, load=[selectinload(Order.items).options(joinedload(OrderItem.product))]
        )

    async def page(
        self, search: OrderSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Order, int]:
        """Give at most `limit` of the orders meant, whole, from those with an id above `after`."""
        if not self._possible(search.user_id):
            return KeysetPage([], None)
        return await self._page(Order.user_id == search.user_id, after=after, limit=limit)
