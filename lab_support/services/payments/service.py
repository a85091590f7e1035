"""The use cases of Payments: to be asked for a charge or a refund, and to be looked at.

Nothing here calls the provider: what is to be done is kept as a row, in the transaction of the event that asks for it,
and a worker does it afterwards.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import UnitOfWork, utc_now
from lab_support.messaging import Event
from lab_support.sagas.compensations import DONE, register, resolve
from lab_support.services.payments import mapping
from lab_support.services.payments.dtos import PaymentRead
from lab_support.services.payments.entities import CHARGED, DECLINED, REFUNDED, CompensationTask
from lab_support.services.payments.errors import PaymentNotFoundError
from lab_support.services.payments.events import ChargePayment, CustomerVerified, ReviewResolved
from lab_support.services.payments.repository import PaymentRepository
from lab_support.services.vocabulary import REFUND_PAYMENT


class PaymentBook:
    """What can be read of payments, in the session of a request."""

    def __init__(self, session: AsyncSession) -> None:
        self._payments = PaymentRepository(session)

    async def get(self, order_id: UUID) -> PaymentRead:
        """Show the payment of an order, and its refund.

        Raises:
            PaymentNotFoundError: There is none.
        """
        payment = await self._payments.find(order_id)
        if payment is None:
            raise PaymentNotFoundError(order_id)
        return mapping.payment_read(payment, await self._payments.refund_of(order_id))

    async def of(self, order_ids: Collection[UUID]) -> list[PaymentRead]:
        """Show the payments of these orders, in the order of their ids: two queries, however many they are."""
        found = sorted(await self._payments.of(order_ids), key=lambda one: one.order_id)
        refunds = await self._payments.refunds_of(order_ids)
        return [mapping.payment_read(one, refunds.get(str(one.order_id))) for one in found]


class PaymentService:
    """What others may ask for; each method works in the unit of work of the message that asks.

    Args:
        clock: Gives this moment, aware.

    Section:
        13.6, "Order, payment, inventory"
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock

    async def request_charge(
        self,
        uow: UnitOfWork,
        event: Event,
        payload: CustomerVerified | ChargePayment,
        *,
        reply_to: str | None = None,
    ) -> None:
        """Note that a card is to be charged, unless the order has been cancelled.

        A command that was sent again, after the provider had answered, gets the answer again.
        """
        payments = PaymentRepository(uow.session)
        if await payments.request(payload, event, reply_to=reply_to, now=self._clock()) or reply_to is None:
            return
        payment = await payments.find(payload.order_id)
        if payment is not None and payment.status == CHARGED:
            uow.announce(mapping.succeeded(payment, event, amount=payment.amount))
        elif payment is not None and payment.status == DECLINED:
            uow.announce(mapping.failed(payment, event, reason=payment.reason))

    async def request_refund(
        self, uow: UnitOfWork, event: Event, order_id: UUID, *, reply_to: str | None = None
    ) -> None:
        """Promise to give back what was charged for an order, or to charge nothing.

        A command that asks for what was done already gets the answer again.
        """
        promised = await register(
            uow.session,
            CompensationTask,
            subject=str(order_id),
            action=REFUND_PAYMENT,
            event=event,
            now=self._clock(),
            reply_to=reply_to,
        )
        if not promised and reply_to is not None:
            await self._answer_again(uow, event, order_id)

    async def resolve_review(self, uow: UnitOfWork, payload: ReviewResolved) -> None:
        """Do what a person decided about a refund that had failed for good."""
        await resolve(
            uow.session,
            CompensationTask,
            subject=str(payload.order_id),
            action=payload.action,
            resolution=payload.resolution,
            now=self._clock(),
        )

    async def _answer_again(self, uow: UnitOfWork, event: Event, order_id: UUID) -> None:
        payments = PaymentRepository(uow.session)
        task = await payments.refund_of(order_id)
        if task is None or task.status != DONE:
            return  # whoever does it will answer
        payment = await payments.find(order_id)
        if payment is not None and payment.status == REFUNDED:
            uow.announce(mapping.refunded(payment, cause=event))
        else:
            uow.announce(mapping.nothing_to_refund(order_id, cause=event))
