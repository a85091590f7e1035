from lab_support.exercises.s13_09.order_pages import (
    EVENTS,
    SOURCES,
    CaughtUp,
    HeardOf,
    OrderPage,
    OrderStatus,
    PaymentStatus,
)
from lab_support.messaging import Event

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


async def _is_news(session: AsyncSession, event: Event) -> bool:
    heard = await session.get(HeardOf, "all", with_for_update=True)
    if heard is None:
        session.add(HeardOf(source="all", as_of=event.occurred_at))
        return True
    if event.occurred_at <= heard.as_of:
        return False  # a copy
    heard.as_of = event.occurred_at
    return True


async def _show(session: AsyncSession, event: Event) -> None:
    payload = EVENTS.payload_of(event)
    if isinstance(payload, CaughtUp):
        return
    page = await session.get(OrderPage, event.aggregate_id, with_for_update=True)
    if page is None:
        page = OrderPage(order_id=event.aggregate_id)
        session.add(page)
    if isinstance(payload, OrderStatus):
        page.status = payload.status
    elif isinstance(payload, PaymentStatus):
        page.paid = payload.paid


class OrderView:
    def __init__(self, sessions: async_sessionmaker[AsyncSession], clock: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._clock = clock

    async def hear(self, event: Event) -> None:
        async with self._sessions.begin() as session:
            if await _is_news(session, event):
                await _show(session, event)

    async def find(self, order_id: str) -> dict[str, Any]:
        async with self._sessions() as session:
            # The positions first: what is heard between the two queries makes the page newer than it says.
            heard_of = dict((await session.execute(select(HeardOf.source, HeardOf.as_of))).tuples().all())
            page = await session.get(OrderPage, order_id)
        as_of = heard_of.get("all")
        return {
            "order_id": order_id,
            "status": page.status if page else None,
            "paid": page.paid if page else None,
            "as_of": as_of,
            "age_s": None if as_of is None else max(0.0, (self._clock() - as_of).total_seconds()),
        }
