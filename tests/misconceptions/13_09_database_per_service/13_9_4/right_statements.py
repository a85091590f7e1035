from sqlalchemy import func, select, update

from lab_support.database.inserts import insert_if_absent
from lab_support.exercises.s13_09.order_pages import EVENTS, HeardOf, OrderPage


class OrderView:
    def __init__(self, sessions, clock):
        self.sessions, self.clock = sessions, clock

    async def hear(self, event):
        source, moment = event.aggregate_type, event.occurred_at
        async with self.sessions.begin() as session:
            if not await insert_if_absent(session, HeardOf, source=source, as_of=moment):
                further = update(HeardOf).where(HeardOf.source == source, HeardOf.as_of < moment)
                if not (await session.execute(further.values(as_of=moment))).rowcount:
                    return
            if changed := EVENTS.payload_of(event).model_dump():
                await insert_if_absent(session, OrderPage, order_id=event.aggregate_id)
                mine = update(OrderPage).where(OrderPage.order_id == event.aggregate_id)
                await session.execute(mine.values(**changed))

    async def find(self, order_id):
        columns = (OrderPage.status, OrderPage.paid)
        async with self.sessions() as session:
            heard = (await session.execute(select(func.count(), func.min(HeardOf.as_of)))).one()
            found = (
                await session.execute(select(*columns).where(OrderPage.order_id == order_id))
            ).one_or_none()
        status, paid = found or (None, None)
        as_of = heard[1] if heard[0] == 2 else None
        age_s = None if as_of is None else max((self.clock() - as_of).total_seconds(), 0)
        return {"order_id": order_id, "status": status, "paid": paid, "as_of": as_of, "age_s": age_s}
