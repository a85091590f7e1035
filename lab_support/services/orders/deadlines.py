"""Deadlines: an order that waits for nobody knows what fails, and whatever may have been done for it is made good.

Section:
    13.6, "Why is this order still pending?"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, utc_now
from lab_support.messaging import unit_of_work
from lab_support.sagas.workers import PollingWorker
from lab_support.services.orders.endings import announce_end
from lab_support.services.orders.entities import Order, OutboxMessage
from lab_support.services.orders.repository import OrderRepository, TimelineRepository
from lab_support.services.orders.states import silence
from lab_support.services.orders.timeline import keep_timeline

_log = logging.getLogger(__name__)


class DeadlineWorker(PollingWorker):
    """Fails choreographed orders whose deadline has passed. Any number of them may work on one database.

    An orchestrated order is not its business: the orchestrator's steps have deadlines of their own.

    Args:
        sessions: On Orders' database.
        clock: Gives this moment, aware.
        sleep: Waits for so many seconds; used after a turn that failed.
        random: Gives a number from 0 up to, not including, 1.
        wake: Called after a commit that stored events: the relay's `wake`.
        poll_s: How often it looks, in seconds.
        batch: The most orders of one turn.

    Section:
        13.6, "Why is this order still pending?"
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
        wake: Callable[[], None] | None = None,
        poll_s: float = 0.5,
        batch: int = 100,
    ) -> None:
        super().__init__(poll_s=poll_s, sleep=sleep, random=random)
        self._sessions, self._clock, self._wake_relay, self._batch = sessions, clock, wake, batch

    async def turn(self) -> int:
        """Fail the orders that are overdue, each in a transaction of its own, and return how many that were.

        Raises:
            ExceptionGroup: Some could not be failed; the others were.
        """
        async with self._sessions() as session:
            overdue = await OrderRepository(session).overdue(self._clock(), limit=self._batch)
        failed, errors = 0, []
        for order in overdue:
            try:
                failed += await retry_transaction(partial(self._fail, order))
            except Exception as error:
                _log.warning("Order %s is overdue and could not be failed", order.id, exc_info=error)
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} overdue order(s) could not be failed", errors)
        return failed

    async def _fail(self, order: Order) -> bool:
        """Fail one order, unless its saga ended meanwhile."""
        now = self._clock()
        async with unit_of_work(self._sessions, OutboxMessage, wake=self._wake_relay) as uow:
            ending = silence(order.pay_by, await TimelineRepository(uow.session).types(order.id))
            if not await OrderRepository(uow.session).end(order.id, ending, now=now):
                return False
            keep_timeline(uow, now)
            announce_end(uow, order, ending, now=now)
            await uow.commit()
        return True
