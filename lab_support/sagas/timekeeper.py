"""The worker that notices silence: an answer that does not come is an answer, too, once its deadline has passed.

Section:
    13.6, "Why is this order still pending?"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, utc_now
from lab_support.messaging import OutboxMixin, unit_of_work
from lab_support.sagas.orchestrator import Orchestrator
from lab_support.sagas.workers import PollingWorker

_log = logging.getLogger(__name__)


class Timekeeper(PollingWorker):
    """Sends commands again that nobody answered, and has sagas turn back. Any number of them may share one saga log.

    Args:
        sessions: On the database of the service.
        outbox: The service's outbox.
        orchestrator: Decides what follows.
        clock: Gives this moment, aware; the orchestrator should have the same.
        wake: Called after a commit that stored an event: the relay's `wake`.
        batch: The most sagas of one turn.

    Section:
        13.6, "Why is this order still pending?"
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        outbox: type[OutboxMixin],
        orchestrator: Orchestrator,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
        wake: Callable[[], None] | None = None,
        poll_s: float = 0.5,
        batch: int = 100,
    ) -> None:
        super().__init__(poll_s=poll_s, sleep=sleep, random=random)
        self._sessions, self._outbox, self._orchestrator = sessions, outbox, orchestrator
        self._clock, self._wake_relay, self._batch = clock, wake, batch

    async def turn(self) -> int:
        """Go on with each saga whose deadline has passed, the longest overdue first; return how many went on.

        One that cannot go on is logged and does not hold up the others.
        """
        done = 0
        for saga_id in await self._due():
            try:
                done += await retry_transaction(lambda due=saga_id: self._go_on(due))  # type: ignore[misc]
            except Exception:
                _log.exception("Saga %s cannot go on; it is tried again with the next turn", saga_id)
        return done

    async def _due(self) -> list[UUID]:
        table = self._orchestrator.table
        due = select(table.saga_id).where(table.deadline_at <= self._clock()).order_by(table.deadline_at)
        async with self._sessions() as session:
            return list(await session.scalars(due.limit(self._batch)))

    async def _go_on(self, saga_id: UUID) -> bool:
        async with unit_of_work(self._sessions, self._outbox, wake=self._wake_relay) as uow:
            went_on = await self._orchestrator.on_silence(uow, saga_id)
            await uow.commit()
        return went_on
