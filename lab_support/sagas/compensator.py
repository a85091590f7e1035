"""The worker that keeps a participant's promises: each due compensation in a transaction of its own.

Section:
    13.6, "A compensation that fails"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import UnitOfWork, retry_transaction, utc_now
from lab_support.messaging import Event, OutboxMixin, unit_of_work
from lab_support.messaging.outbox import topic_of
from lab_support.sagas.compensations import (
    DONE,
    OPEN,
    REASON_LENGTH,
    REQUIRES_REVIEW,
    CompensationMixin,
    Task,
)
from lab_support.sagas.retries import RetryPolicy
from lab_support.sagas.workers import PollingWorker

Action = Callable[[UnitOfWork, Task], Awaitable[None]]
"""Makes one thing good and announces it; it does not commit. It may be asked again after it has been done."""

Failed = Callable[[Task, str, int], Event]
"""Tells that a task failed for good: the task, a code and the number of attempts."""

ATTEMPTS_EXHAUSTED: Final = "ATTEMPTS_EXHAUSTED"
NO_SUCH_ACTION: Final = "NO_SUCH_ACTION"
_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """An action's refusal by the rules of business: to try again would be refused again, so a person has to look.

    Attributes:
        code: The reason, such as DISCONTINUED; never the text of an exception.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"The compensation was refused: {code}. It waits for a person, in review.")


class Compensator(PollingWorker):
    """Does the compensations that are due. Any number of them, in any number of processes, may share one table.

    The claim of the task, the action and what it announces are one transaction. An action that raises keeps
    nothing; a second transaction notes the failure and when to try again. After a refusal, or after the last
    attempt, that transaction puts the task in review and announces what `failed` gives.

    Args:
        sessions: On the database of the service.
        outbox: The service's outbox.
        table: The service's compensations.
        actions: What to do, by the name of the action.
        failed: Gives the event that tells of a task which failed for good.
        policy: How often and when a task is tried.
        clock: Gives this moment, aware.
        wake: Called after a commit that stored an event: the relay's `wake`.
        batch: The most tasks of one turn.
        waits: `poll_s`, `sleep` and `random` of a `PollingWorker`.

    Section:
        13.6, "A compensation that fails"
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        outbox: type[OutboxMixin],
        table: type[CompensationMixin],
        actions: Mapping[str, Action],
        *,
        failed: Failed,
        policy: RetryPolicy | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
        wake: Callable[[], None] | None = None,
        poll_s: float = 0.5,
        batch: int = 100,
    ) -> None:
        super().__init__(poll_s=poll_s, sleep=sleep, random=random)
        self._sessions, self._outbox, self._table = sessions, outbox, table
        self._actions, self._failed, self._policy = dict(actions), failed, policy or RetryPolicy()
        self._clock, self._wake_relay, self._batch = clock, wake, batch

    async def turn(self) -> int:
        """Try each task that is due, oldest first, and return how many were tried."""
        due = await self._due()
        return sum([await self._try(task) for task in due])

    async def _due(self) -> Sequence[Task]:
        table = self._table
        due = select(table).where(table.status == OPEN, table.next_try_at <= self._clock())
        async with self._sessions() as session:
            rows = await session.scalars(due.order_by(table.next_try_at).limit(self._batch))
            return [Task.of(row) for row in rows]

    async def _try(self, task: Task) -> bool:
        """Try one task; False when somebody else was quicker."""
        try:
            return await retry_transaction(lambda: self._do(task))
        except RefusedError as refusal:
            _log.warning("%s of %s was refused: %s", task.action, task.subject, refusal.code)
            review, reason = refusal.code, refusal.code
        except Exception as error:
            _log.warning("%s of %s failed", task.action, task.subject, exc_info=error)
            over = self._policy.exhausted(task.attempts + 1)
            review, reason = ATTEMPTS_EXHAUSTED if over else "", type(error).__name__
        return await retry_transaction(lambda: self._note(task, reason, review))

    async def _do(self, task: Task) -> bool:
        async with self._unit_of_work(task) as uow:
            done = {"status": DONE, "closed_at": self._clock(), "last_reason": None}
            if not await self._claim(uow, task, done):
                return False
            action = self._actions.get(task.action)
            if action is None:
                raise RefusedError(NO_SUCH_ACTION)
            await action(uow, task)
            await uow.commit()
        return True

    async def _note(self, task: Task, reason: str, review: str) -> bool:
        failures = task.attempts + 1
        again_at = self._clock() + timedelta(seconds=self._policy.wait_s(failures, self._random))
        change = {"status": REQUIRES_REVIEW} if review else {"next_try_at": again_at}
        async with self._unit_of_work(task) as uow:
            if not await self._claim(uow, task, {**change, "last_reason": reason[:REASON_LENGTH]}):
                return False
            if review:
                uow.announce(self._failed(task, review, failures))
            await uow.commit()
        return True

    async def _claim(self, uow: UnitOfWork, task: Task, change: Mapping[str, Any]) -> bool:
        """Change the row if it still is as it was read: of two that try the same attempt one goes on."""
        table = self._table
        result = await uow.session.execute(
            update(table)
            .where(table.id == task.id, table.status == OPEN, table.attempts == task.attempts)
            .values(attempts=task.attempts + 1, **change)
            .execution_options(synchronize_session=False)
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined]

    def _unit_of_work(self, task: Task) -> Any:
        to = task.reply_to
        topic = topic_of if to is None else (lambda _event: to)
        return unit_of_work(self._sessions, self._outbox, topic_of=topic, wake=self._wake_relay)
