from sqlalchemy import select, update

from lab_support.exercises.s13_06.events import EVENTS, Line, StockReleased
from lab_support.exercises.s13_06.shop import OutboxMessage, Reservation, ReservationState, Review, Stock
from lab_support.messaging import unit_of_work


def released(event, lines):
    payload = StockReleased(lines=lines)
    return EVENTS.event(payload, aggregate_type="order", aggregate_id=event.aggregate_id, cause=event)


def held_for(event):
    mine = (Reservation.order_id == event.aggregate_id, Reservation.state == ReservationState.HELD)
    return select(Reservation).where(*mine).with_for_update()


async def release_stock(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        lines = []
        for held in (await uow.session.scalars(held_for(event))).all():
            await uow.session.execute(
                update(Stock).where(Stock.sku == held.sku).values(free=Stock.free + held.units)
            )
            held.state = ReservationState.RELEASED
            lines.append(Line(sku=held.sku, quantity=held.units))
        if lines:
            uow.announce(released(event, lines))
        await uow.commit()
