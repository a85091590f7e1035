"""What the gateway does: one method per use case.

Section:
    13.9, "API composition" and "CQRS: a read model fed by events"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.pools.deadlines import within_deadline
from lab_support.services.gateway.composing import Composer
from lab_support.services.gateway.dtos import (
    CircuitRead,
    OrderView,
    OrderViewPage,
    SummaryAnswer,
    SummaryPage,
)
from lab_support.services.gateway.errors import SummaryNotFoundError
from lab_support.services.gateway.mapping import circuit_read, freshness, summary_read
from lab_support.services.gateway.repository import SummaryRepository

FOR_THE_WAY_BACK: Final = 0.1
"""The part of the time that is kept for putting the answer together: it has to arrive before the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The use cases of the gateway.

    Attributes:
        composer: Puts answers together.
        sessions: On the gateway's own database, with the read model.
        deadline_s: The longest time for an answer, in seconds; a caller's deadline only shortens it.
    """

    composer: Composer
    sessions: async_sessionmaker[AsyncSession]
    deadline_s: float = 2.0

    async def order(self, order_id: UUID) -> OrderView:
        """Show one order with all that belongs to it.

        Raises:
            DeadlineExceededError: The caller has left no time.
            OrderUnknownError: Orders has no such order.
            OrdersTooSlowError: Orders did not answer in time.
            OrdersUnavailableError: Orders can't be asked, or gave no usable answer.
        """
        return await self.composer.order(order_id, within_s=self._time())

    async def orders_of(self, customer_id: str, *, after: UUID | None, limit: int) -> OrderViewPage:
        """Show a page of somebody's orders.

        Raises:
            DeadlineExceededError: The caller has left no time.
            OrderUnknownError: `after` is no order of this customer.
            OrdersTooSlowError: Orders did not answer in time.
            OrdersUnavailableError: Orders can't be asked, or gave no usable answer.
        """
        time = self._time()
        return await self.composer.orders_of(customer_id, after=after, limit=limit, within_s=time)

    async def summary(self, order_id: UUID) -> SummaryAnswer:
        """Show what the events so far tell of an order.

        Raises:
            SummaryNotFoundError: No event has told of it yet.
        """
        async with self.sessions() as session:
            summaries = SummaryRepository(session)
            heard = (
                await summaries.heard()
            )  # before the row: what is heard in between makes it newer than it says
            found = await summaries.get(order_id)
        if found is None:
            raise SummaryNotFoundError(order_id)
        return SummaryAnswer(summary=summary_read(found), **freshness(heard))

    async def summaries_of(self, customer_id: str, *, after: UUID | None, limit: int) -> SummaryPage:
        """Show what the events so far tell of somebody's orders, newest first.

        Raises:
            SummaryNotFoundError: `after` is no order of this customer.
        """
        async with self.sessions() as session:
            summaries = SummaryRepository(session)
            heard = await summaries.heard()
            page = await summaries.page(customer_id, after=after, limit=limit)
        items = [summary_read(one) for one in page.items]
        return SummaryPage(items=items, next=page.next, **freshness(heard))

    def circuits(self) -> list[CircuitRead]:
        """Tell how the gateway gets on with each service."""
        return [circuit_read(one) for one in self.composer.neighbours.all]

    def _time(self) -> float:
        return within_deadline(self.deadline_s) * (1 - FOR_THE_WAY_BACK)
