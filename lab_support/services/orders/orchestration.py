"""The orchestrated sagas as Orders lives with them: begun with an order, told of answers, ended with the order.

Section:
    13.5, "The same operation, orchestrated"; 13.6, "The failure matrix"
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from lab_support.database import UnitOfWork, utc_now
from lab_support.messaging import Event
from lab_support.sagas import Callbacks, Orchestrator, Outcome
from lab_support.sagas.decide import UNANSWERED
from lab_support.services.orders.commands import CUSTOMERS, PAYMENTS, STOCK
from lab_support.services.orders.endings import announce_end
from lab_support.services.orders.entities import Review, Saga
from lab_support.services.orders.events import EVENTS, CompensationFailed, NothingToCompensate, OrderCreated
from lab_support.services.orders.repository import OrderRepository
from lab_support.services.orders.review_queue import Failure, open_review
from lab_support.services.orders.sagas import (
    COMPENSATION_OF,
    PLACE_ORDER,
    PlaceOrder,
    failed_state,
    orchestrator,
)
from lab_support.services.orders.states import Ending, failure, success

SERVICE_AT: Final = MappingProxyType({CUSTOMERS: "customers", PAYMENTS: "payments", STOCK: "inventory"})


class OrderSagas:
    """Runs the sagas of orders that are orchestrated, each turn in the caller's unit of work.

    Args:
        deadline_s: How long one step may be silent, in seconds.
        clock: Gives this moment, aware.
        random: Gives a number from 0 up to, not including, 1.
    """

    def __init__(
        self,
        *,
        deadline_s: float = 30.0,
        clock: Callable[[], datetime] = utc_now,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._clock = clock
        callbacks = Callbacks(completed=self._completed, failed=self._failed, needs_review=self._needs_review)
        self.orchestrator: Orchestrator = orchestrator(
            Saga, callbacks, deadline_s=deadline_s, clock=clock, random=random
        )

    async def begin(self, uow: UnitOfWork, created: Event, order: OrderCreated) -> None:
        """Start the saga of an order that is being taken."""
        data = PlaceOrder.model_validate(order.model_dump())
        assert created.saga_id is not None  # noqa: S101
        await self.orchestrator.start(
            uow,
            PLACE_ORDER[order.pay_by].name,
            data,
            saga_id=created.saga_id,
            subject=str(order.order_id),
            cause=created,
        )

    async def on_reply(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """Go on with the saga that waits for an answer; an answer that nobody waits for changes nothing."""
        await self.orchestrator.on_reply(uow, event, payload)

    async def on_review(self, uow: UnitOfWork, review: Review, event: Event) -> None:
        """Go on after a person's decision, if the order's saga is orchestrated.

        What was settled by hand is as good as compensated. A command that nobody answered is sent once more; of one
        that was refused the participant keeps a task, and hears of the decision itself.
        """
        saga = await uow.session.get(Saga, review.saga_id)
        if saga is None:
            return
        if review.resolution == "settled":
            settled = NothingToCompensate.model_validate(
                {"order_id": review.order_id, "action": review.action}
            )
            await self.on_reply(uow, event, settled)
        elif review.reason == UNANSWERED:
            uow.announce(_asked_again(saga, review, event))

    async def _completed(self, uow: UnitOfWork, outcome: Outcome) -> None:
        await self._end(uow, outcome, success(outcome.data.pay_by))

    async def _failed(self, uow: UnitOfWork, outcome: Outcome) -> None:
        status, why = failed_state(outcome), (outcome.step or "", outcome.reason or "")
        await self._end(uow, outcome, failure(status, outcome.data.pay_by, *why))

    async def _end(self, uow: UnitOfWork, outcome: Outcome, ending: Ending) -> None:
        now, orders = self._clock(), OrderRepository(uow.session)
        order_id = UUID(outcome.subject)
        if not await orders.end(order_id, ending, now=now):
            return
        order = await orders.get(order_id)
        if order is not None:
            announce_end(uow, order, ending, now=now, cause=outcome.cause)

    async def _needs_review(self, uow: UnitOfWork, outcome: Outcome) -> None:
        step = PLACE_ORDER[outcome.data.pay_by].step(outcome.step or "")
        told = None
        if outcome.cause is not None and outcome.cause.type == CompensationFailed.__name__:
            told = CompensationFailed.model_validate(outcome.cause.payload)
        failed = Failure(
            service=SERVICE_AT[step.to],
            action=COMPENSATION_OF[step.name],
            reason=outcome.reason or UNANSWERED,
            attempts=step.retry.attempts if told is None else told.attempts,
        )
        await open_review(
            uow, UUID(outcome.subject), outcome.saga_id, failed, now=self._clock(), cause=outcome.cause
        )


def _asked_again(saga: Saga, review: Review, event: Event) -> Event:
    data = PlaceOrder.model_validate(saga.data)
    step = next(
        one
        for one in PLACE_ORDER[data.pay_by].steps
        if COMPENSATION_OF.get(one.name) == review.action and one.compensation is not None
    )
    assert step.compensation is not None  # noqa: S101
    command = step.compensation(data)
    return EVENTS.event(command, aggregate_type=step.to, aggregate_id=review.order_id, cause=event)
