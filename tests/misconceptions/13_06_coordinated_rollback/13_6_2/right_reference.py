from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_06.events import EVENTS, PaymentRefunded
from lab_support.exercises.s13_06.shop import OutboxMessage, Payment, PaymentState, Refund
from lab_support.messaging import Event, unit_of_work


async def refund_payment(sessions: async_sessionmaker[AsyncSession], event: Event) -> None:
    async with unit_of_work(sessions, OutboxMessage) as uow:
        given_back = await uow.session.execute(
            update(Payment)
            .where(Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)
            .values(state=PaymentState.REFUNDED)
            .returning(Payment.id, Payment.amount)
        )
        charged = given_back.one_or_none()
        if charged is None:
            return  # never charged, or given back already
        uow.session.add(Refund(payment_id=charged.id, amount=charged.amount))
        payload = PaymentRefunded(payment_id=charged.id, amount=charged.amount)
        told = EVENTS.event(payload, aggregate_type="order", aggregate_id=event.aggregate_id, cause=event)
        uow.announce(told)
        await uow.commit()
