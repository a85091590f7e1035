from datetime import datetime
from typing import Any

from sqlalchemy import select

from lab_support.exercises.s13_09.order_pages import EVENTS, CaughtUp, HeardOf, OrderPage, OrderStatus


class OrderView:
    def __init__(self, sessions, clock):
        self._sessions, self._clock = sessions, clock

    async def hear(self, event):
        payload = EVENTS.payload_of(event)
        if isinstance(payload, CaughtUp):
            return
        async with self._sessions.begin() as session:
            mine = f"{event.aggregate_type[0]} {event.aggregate_id}"
            changed = await session.get(HeardOf, mine)
            if changed is not None and event.occurred_at <= changed.as_of:
                return
            if changed is None:
                session.add(HeardOf(source=mine, as_of=event.occurred_at))
            else:
                changed.as_of = event.occurred_at
            page = await session.get(OrderPage, event.aggregate_id)
            if page is None:
                page = OrderPage(order_id=event.aggregate_id)
                session.add(page)
            if isinstance(payload, OrderStatus):
                page.status = payload.status
            else:
                page.paid = payload.paid

    async def find(self, order_id):
        async with self._sessions() as session:
            page = await session.get(OrderPage, order_id)
            mine = select(HeardOf.as_of).where(HeardOf.source.in_([f"o {order_id}", f"p {order_id}"]))
            changed = (await session.scalars(mine)).all()
        as_of = max(changed, default=None)
        return {
            "order_id": order_id,
            "status": page.status if page else None,
            "paid": page.paid if page else None,
            "as_of": as_of,
            "age_s": None if as_of is None else max(0.0, (self._clock() - as_of).total_seconds()),
        }
