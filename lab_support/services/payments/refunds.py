"""The compensation of a payment: the provider gives back what it charged, or will not charge any more.

Section:
    13.6, "Compensation is a new fact, not an undo"
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.sagas.compensations import Task
from lab_support.sagas.compensator import Compensator, RefusedError
from lab_support.services.payments import mapping
from lab_support.services.payments.entities import (
    CANCELLED,
    CHARGED,
    DECLINED,
    PROVIDER_UNAVAILABLE,
    REFUNDED,
    REQUESTED,
    UNCERTAIN,
    CompensationTask,
    OutboxMessage,
    Payment,
)
from lab_support.services.payments.events import CompensationFailed
from lab_support.services.payments.provider import PaymentProvider, Receipt, RefundRefusedError
from lab_support.services.payments.repository import PaymentRepository
from lab_support.services.vocabulary import REFUND_PAYMENT

CALL_S: Final = 5.0


class PaymentMovedError(Exception):
    """The payment changed between the provider's answer and the transaction that keeps it: ask again."""

    def __init__(self, payment: Payment) -> None:
        super().__init__(f"{payment!r} is {payment.status} by now; the refund asks the provider again.")


class Refunds(Compensator):
    """Keeps the promises to refund. The provider is asked before the transaction that keeps its answer.

    A crash in between repeats the call, which gives nothing back twice.

    Args:
        sessions: On the database of Payments.
        provider: Who moves the money.
        call_s: How long one answer is waited for, in seconds.
        others: As for every `Compensator`.

    Section:
        13.6, "The action, and what makes it good"
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        provider: PaymentProvider,
        *,
        call_s: float = CALL_S,
        **others: Any,
    ) -> None:
        actions = {REFUND_PAYMENT: self._refund}
        super().__init__(sessions, OutboxMessage, CompensationTask, actions, failed=_gave_up, **others)
        self._payments_at, self._provider, self._call_s = sessions, provider, call_s
        self._answers: dict[UUID, Receipt | None] = {}

    async def _do(self, task: Task) -> bool:
        await self._ask(UUID(task.subject), task)
        try:
            return await super()._do(task)
        finally:
            self._answers.pop(task.id, None)

    async def _ask(self, order_id: UUID, task: Task) -> None:
        """Ask the provider if it may have charged something, outside of any transaction."""
        async with self._payments_at() as session:
            payment = await PaymentRepository(session).find(order_id)
        if payment is None or not payment.needs_provider:
            return
        try:
            async with asyncio.timeout(self._call_s):
                self._answers[task.id] = await self._provider.refund(payment.key)
        except RefundRefusedError as refusal:
            raise RefusedError("REFUND_REFUSED") from refusal

    async def _refund(self, uow: UnitOfWork, task: Task) -> None:
        payments, order_id = PaymentRepository(uow.session), UUID(task.subject)
        payment = await payments.find_for_update(order_id)
        if payment is None and not await payments.bury(order_id):
            payment = await payments.find_for_update(order_id)  # it was requested in this moment
        if payment is None:
            uow.announce(mapping.nothing_to_refund(order_id, **task.because))
        elif payment.needs_provider and task.id not in self._answers:
            raise PaymentMovedError(payment)
        else:
            _end(uow, payment, self._answers.get(task.id), task.because)


def _end(uow: UnitOfWork, payment: Payment, receipt: Receipt | None, because: dict[str, Any]) -> None:
    """Give a locked payment its end, and announce what became of the money."""
    gave_up = payment.status == UNCERTAIN
    if receipt is not None:
        payment.status, payment.amount = REFUNDED, receipt.refunded
    elif payment.status == CHARGED:
        raise RefusedError("CHARGE_NOT_FOUND")  # the provider knows nothing of what it confirmed
    elif payment.status == UNCERTAIN:
        payment.status = DECLINED
    elif payment.status == REQUESTED:
        payment.status = CANCELLED
    payment.next_try_at = None
    if gave_up:
        payment.reason = PROVIDER_UNAVAILABLE
        uow.announce(mapping.failed(payment, payment.requested_by, reason=PROVIDER_UNAVAILABLE))
    if payment.status == REFUNDED:
        uow.announce(mapping.refunded(payment, **because))
    else:
        uow.announce(mapping.nothing_to_refund(payment.order_id, **because))


def _gave_up(task: Task, reason: str, attempts: int) -> Event:
    told = CompensationFailed(
        order_id=UUID(task.subject), action=REFUND_PAYMENT, reason=reason, attempts=attempts
    )
    return mapping.announcement(told, task.subject, **task.because)
