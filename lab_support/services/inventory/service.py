"""What callers of Inventory can do over HTTP: one method per use case, the only place that commits.

What happens to stock because of orders is in `reserving.py`.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.services.inventory.dtos import ReservationRead, StockPage, StockRead, StockWrite
from lab_support.services.inventory.errors import StockNotFoundError
from lab_support.services.inventory.mapping import reservation_read, stock_read
from lab_support.services.inventory.repository import ReservationRepository, StockRepository


class StockService:
    """The use cases of the warehouse, in one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._stock = StockRepository(session)

    async def get(self, sku: str) -> StockRead:
        """Read how many pieces of a product there are.

        Raises:
            StockNotFoundError: The warehouse has no such product.
        """
        stock = await self._stock.get_by_id(sku)
        if stock is None:
            raise StockNotFoundError(sku)
        reserved = await self._stock.reserved([sku])
        return stock_read(stock, reserved.get(sku, 0))

    async def browse(self, *, after: str | None = None, limit: int = 20) -> StockPage:
        """Read one page of products: two queries, however many they are."""
        page = await self._stock.page(after=after, limit=limit)
        reserved = await self._stock.reserved([stock.sku for stock in page.items])
        return StockPage(
            items=[stock_read(stock, reserved.get(stock.sku, 0)) for stock in page.items], next=page.next
        )

    async def these(self, skus: Collection[str]) -> StockPage:
        """Read these products, in the order of their skus: two queries; those that are not there are left out."""
        found = await self._stock.these(skus)
        reserved = await self._stock.reserved([stock.sku for stock in found])
        return StockPage(items=[stock_read(stock, reserved.get(stock.sku, 0)) for stock in found], next=None)

    async def reservations_of(self, order_ids: Collection[UUID]) -> list[ReservationRead]:
        """Read what was decided about these orders, in the order of their ids: one query."""
        found = await ReservationRepository(self._session).of(order_ids)
        return [reservation_read(one) for one in found]

    async def put(self, sku: str, wanted: StockWrite) -> tuple[StockRead, bool]:
        """Say how many pieces there are that are not reserved, and tell whether the product is new."""
        new = await self._stock.put(sku, wanted.available, discontinued=wanted.discontinued)
        stored = await self.get(sku)
        await self._session.commit()
        return stored, new

    async def delete(self, sku: str) -> None:
        """Take a product out of the warehouse, whatever is reserved of it.

        Raises:
            StockNotFoundError: The warehouse has no such product.
        """
        if not await self._stock.delete(sku):
            raise StockNotFoundError(sku)
        await self._session.commit()
