from sqlalchemy import select, update

from lab_support.exercises.s13_06.events import EVENTS, PaymentRefunded
from lab_support.exercises.s13_06.shop import Inbox, OutboxMessage, Payment, PaymentState, Refund
from lab_support.messaging import unit_of_work
from lab_support.messaging.inbox import receive


def refunded(event, payment, amount):
    payload = PaymentRefunded(payment_id=payment.id, amount=amount)
    return EVENTS.event(payload, aggregate_type="order", aggregate_id=event.aggregate_id, cause=event)


async def refund_payment(sessions, event):
    async with unit_of_work(sessions, OutboxMessage) as uow:
        if not await receive(uow.session, Inbox, "payments", event):
            return
        charged = (Payment.order_id == event.aggregate_id, Payment.state == PaymentState.CHARGED)
        changed = await uow.session.execute(
            update(Payment).where(*charged).values(state=PaymentState.REFUNDED)
        )
        if changed.rowcount == 1:
            payment = await uow.session.scalar(select(Payment).where(Payment.order_id == event.aggregate_id))
            uow.session.add(Refund(payment_id=payment.id, amount=payment.amount))
            uow.announce(refunded(event, payment, payment.amount))
        await uow.commit()
