"""The worker that has cards charged: it keeps its attempt, asks the provider, and keeps the answer.

The provider is asked between two transactions, never within one. A crash in between leaves a payment that is REQUESTED:
after a while it is asked for again, with the same key.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import UnitOfWork, retry_transaction, utc_now
from lab_support.messaging import unit_of_work
from lab_support.messaging.outbox import topic_of
from lab_support.sagas.compensations import register
from lab_support.sagas.workers import PollingWorker
from lab_support.services.payments import mapping
from lab_support.services.payments.charge_settings import ChargeSettings
from lab_support.services.payments.entities import (
    CARD_DECLINED,
    CHARGED,
    DECLINED,
    UNCERTAIN,
    CompensationTask,
    OutboxMessage,
    Payment,
)
from lab_support.services.payments.provider import CardDeclinedError, PaymentProvider, Receipt
from lab_support.services.payments.repository import PaymentRepository
from lab_support.services.vocabulary import REFUND_PAYMENT

Answer = Receipt | Literal["declined", "unknown"]
_log = logging.getLogger(__name__)


class ChargeWorker(PollingWorker):
    """Has requested payments charged. Any number of workers may share one table.

    Args:
        sessions: On the database of Payments.
        provider: Who moves the money.
        settings: How it is asked.
        clock: Gives this moment, aware.
        wake: Called after a commit that stored an event: the relay's `wake`.
        gave_up: Called after a commit that left a refund to be done.
        waits: `poll_s`, `sleep` and `random` of a `PollingWorker`.

    Section:
        13.6, "Order, payment, inventory"
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        provider: PaymentProvider,
        *,
        settings: ChargeSettings | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
        wake: Callable[[], None] | None = None,
        gave_up: Callable[[], None] = lambda: None,
        poll_s: float = 0.5,
    ) -> None:
        super().__init__(poll_s=poll_s, sleep=sleep, random=random)
        self._sessions, self._provider, self._clock = sessions, provider, clock
        self._settings = settings or ChargeSettings()
        self._wake_relay, self._gave_up = wake, gave_up

    async def turn(self) -> int:
        """Ask for the payments that are due, all at once, and return how many."""
        async with self._sessions() as session:
            due = await PaymentRepository(session).due(self._clock(), self._settings.batch)
        if not due:
            return 0
        begun = await retry_transaction(lambda: self._begin(due))
        async with asyncio.TaskGroup() as calls:
            for payment in begun:
                calls.create_task(self._charge(payment))
        return len(begun)

    async def _begin(self, due: Sequence[Any]) -> Sequence[Payment]:
        """Keep the attempt before it is made, so that no crash lets the provider be asked without end."""
        until = self._clock() + timedelta(seconds=self._settings.lease_s)
        begun: list[UUID] = []
        async with unit_of_work(self._sessions, OutboxMessage) as uow:
            payments = PaymentRepository(uow.session)
            for order_id, attempts in sorted(due):  # one sequence of locks for everybody
                still = Payment.attempts == attempts
                if await payments.change(order_id, still, attempts=attempts + 1, next_try_at=until):
                    begun.append(order_id)
            rows = await payments.of(begun)
            await uow.commit()
        return rows

    async def _charge(self, payment: Payment) -> None:
        answer = await self._ask(payment)
        try:
            await retry_transaction(lambda: self._keep(payment, answer))
        except Exception:  # the others of this turn go on; this one is asked for again after its lease
            _log.exception("The answer about order %s could not be kept", payment.key)
        if answer == "unknown":
            self._gave_up()

    async def _ask(self, payment: Payment) -> Answer:
        amount, card = payment.amount, payment.customer_id
        if amount is None or card is None:
            raise TypeError(f"{payment!r} is a tombstone; only what was requested is charged.")
        try:
            async with asyncio.timeout(self._settings.call_s):
                return await self._provider.charge(payment.key, amount, card=card)
        except CardDeclinedError:
            return "declined"
        except Exception as error:  # whatever it was: nobody knows whether the card was charged
            _log.warning("The charge of order %s got no answer: %r", payment.key, error)
            return "unknown"

    async def _keep(self, payment: Payment, answer: Answer) -> None:
        """Keep the answer unless the payment has an end already, and announce it."""
        to = payment.reply_to
        topic = topic_of if to is None else (lambda _event: to)
        async with unit_of_work(self._sessions, OutboxMessage, topic_of=topic, wake=self._wake_relay) as uow:
            if answer == "unknown":
                await self._doubt(uow, payment)
            else:
                await _answered(uow, payment, answer)
            await uow.commit()

    async def _doubt(self, uow: UnitOfWork, payment: Payment) -> None:
        """Ask again later; after the last attempt promise to find out, and to give back what was charged."""
        payments, now = PaymentRepository(uow.session), self._clock()
        mine = Payment.attempts == payment.attempts
        if not self._settings.retry.exhausted(payment.attempts):
            again_at = now + timedelta(seconds=self._settings.retry.wait_s(payment.attempts, self._random))
            await payments.change(payment.order_id, mine, next_try_at=again_at)
        elif await payments.change(payment.order_id, mine, status=UNCERTAIN, next_try_at=None):
            await register(
                uow.session,
                CompensationTask,
                subject=payment.key,
                action=REFUND_PAYMENT,
                event=payment.requested_by,
                now=now,
                reply_to=payment.reply_to,
            )


async def _answered(uow: UnitOfWork, payment: Payment, answer: Receipt | Literal["declined"]) -> None:
    payments, cause = PaymentRepository(uow.session), payment.requested_by
    if answer == "declined":
        if await payments.change(payment.order_id, status=DECLINED, reason=CARD_DECLINED, next_try_at=None):
            uow.announce(mapping.failed(payment, cause, reason=CARD_DECLINED))
    elif await payments.change(payment.order_id, status=CHARGED, amount=answer.charged, next_try_at=None):
        uow.announce(mapping.succeeded(payment, cause, amount=answer.charged))
