from sqlalchemy import select

from lab_support.exercises.s13_06.events import (
    EVENTS,
    PaymentRefunded,
    PaymentSuccessful,
    ReceiptRequested,
)
from lab_support.exercises.s13_06.shop import OutboxMessage, Payment, PaymentState, Refund
from lab_support.messaging import unit_of_work


def about(event, payload):
    return EVENTS.event(payload, aggregate_type="order", aggregate_id=event.aggregate_id, cause=event)


async def payment_of(uow, event):
    mine = select(Payment).where(Payment.order_id == event.aggregate_id)
    return await uow.session.scalar(mine.with_for_update())


async def give_back(uow, event, payment):
    payment.state = PaymentState.REFUNDED
    uow.session.add(Refund(payment_id=payment.id, amount=payment.amount))
    uow.announce(about(event, PaymentRefunded(payment_id=payment.id, amount=payment.amount)))


async def take(uow, event):
    amount = EVENTS.payload_of(event).amount
    payment = Payment(order_id=event.aggregate_id, amount=amount, state=PaymentState.CHARGED)
    uow.session.add(payment)
    await uow.flush()
    uow.announce(about(event, PaymentSuccessful(payment_id=payment.id, amount=amount)))
    return payment


async def charge(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        if await payment_of(uow, event) is None:
            payment = await take(uow, event)
            uow.announce(about(event, ReceiptRequested(amount=payment.amount)))
            await uow.commit()


async def cancel(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        payment = await payment_of(uow, event)
        if payment is None:
            uow.session.add(Payment(order_id=event.aggregate_id, amount=0, state=PaymentState.CANCELLED))
        elif payment.state == PaymentState.CHARGED:
            await give_back(uow, event, payment)
        await uow.commit()


async def confirm(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        payment = await payment_of(uow, event)
        if payment is not None and payment.state == PaymentState.CHARGED:
            payment.state = PaymentState.CONFIRMED
            await uow.commit()
