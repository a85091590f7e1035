"""What others read of Orders in bulk: somebody's orders, newest first, and the journal of all events.

Section:
    13.9, "API composition" and "CQRS: a read model fed by events"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import selectinload

from lab_support.repositories import KeysetPage
from lab_support.services.orders.entities import Order, TimelineEntry
from lab_support.services.orders.errors import OrderNotFoundError


@dataclass(frozen=True, slots=True)
class Journal:
    """Events in the order in which they were noted, and the position of the newest there is."""

    entries: Sequence[TimelineEntry]
    last: int


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reads pages; each is a fixed number of queries, however many rows are on it.

    Attributes:
        sessions: On Orders' database.
    """

    sessions: async_sessionmaker[AsyncSession]

    async def orders_of(self, customer_id: str, *, after: UUID | None, limit: int) -> KeysetPage[Order, UUID]:
        """Give a page of somebody's orders with their lines, newest first.

        Args:
            customer_id: Whose.
            after: The last order of the page before.
            limit: The most orders.

        Raises:
            OrderNotFoundError: `after` is no order of this customer.
        """
        query = select(Order).where(Order.customer_id == customer_id)
        async with self.sessions() as session:
            if after is not None:
                moment = await session.scalar(
                    select(Order.created_at).where(Order.id == after, Order.customer_id == customer_id)
                )
                if moment is None:
                    raise OrderNotFoundError(after)
                older = and_(Order.created_at == moment, Order.id < after)
                query = query.where(or_(Order.created_at < moment, older))
            newest_first = query.order_by(Order.created_at.desc(), Order.id.desc()).limit(limit + 1)
            found = (await session.scalars(newest_first.options(selectinload(Order.lines)))).all()
        page = found[:limit]
        return KeysetPage(items=page, next=page[-1].id if len(found) > limit else None)

    async def journal(self, *, after: int, limit: int) -> Journal:
        """Give the events after a position.

        Two transactions may commit in the other order than their positions, so an event may still appear before one
        that was read. Whoever follows the journal has to hear the events themselves too.
        """
        entry = TimelineEntry
        async with self.sessions() as session:
            entries = await session.scalars(
                select(entry).where(entry.id > after).order_by(entry.id).limit(limit)
            )
            return Journal(entries.all(), await session.scalar(select(func.max(entry.id))) or 0)
