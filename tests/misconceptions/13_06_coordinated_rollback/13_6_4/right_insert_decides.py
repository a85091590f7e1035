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


from sqlalchemy import update
from sqlalchemy.exc import IntegrityError


async def charge(sessions, event):
    try:
        async with unit_of_work(sessions, OutboxMessage) as uow:
            await take(uow, event)
            await uow.commit()
    except IntegrityError:
        return


async def cancel(sessions, event):
    for _ in range(2):
        try:
            async with unit_of_work(sessions, OutboxMessage) as uow:
                payment = await payment_of(uow, event)
                if payment is None:
                    tomb = Payment(order_id=event.aggregate_id, amount=0, state=PaymentState.CANCELLED)
                    uow.session.add(tomb)
                elif payment.state == PaymentState.CHARGED:
                    await give_back(uow, event, payment)
                await uow.commit()
                return
        except IntegrityError:
            continue  # it was charged meanwhile


async def confirm(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        charged = (Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)
        change = update(Payment).where(*charged).values(state=PaymentState.CONFIRMED)
        amount = await uow.session.scalar(change.returning(Payment.amount))
        if amount is not None:
            uow.announce(about(event, ReceiptRequested(amount=amount)))
        await uow.commit()
