"""The queue of reviews: compensations that failed for good, and what a person decides about them.

Section:
    13.6, "A compensation that fails"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, utc_now
from lab_support.messaging import unit_of_work
from lab_support.services.orders.entities import OutboxMessage, Review
from lab_support.services.orders.errors import ReviewNotFoundError, ReviewResolvedError
from lab_support.services.orders.orchestration import OrderSagas
from lab_support.services.orders.repository import ReviewRepository
from lab_support.services.orders.review_queue import resolution_event
from lab_support.services.orders.timeline import keep_timeline

PATIENCE_S: Final = 4.0
Resolution = Literal["retry", "settled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewService:
    """The use cases of the queue.

    Attributes:
        sessions: On Orders' database.
        sagas: The orchestrated ones, which may wait for the decision.
        clock: Gives this moment, aware.
        wake: Called after a commit that stored events: the relay's `wake`.
    """

    sessions: async_sessionmaker[AsyncSession]
    sagas: OrderSagas
    clock: Callable[[], datetime] = utc_now
    wake: Callable[[], None] | None = None

    async def listed(self, *, open_only: bool = False, limit: int = 100) -> list[Review]:
        """Read the queue, oldest first."""
        async with self.sessions() as session:
            return await ReviewRepository(session).listed(open_only=open_only, limit=limit)

    async def resolve(self, review_id: UUID, resolution: Resolution, note: str = "") -> Review:
        """Write down what a person decided, and tell the participant, in one transaction.

        Raises:
            ReviewNotFoundError: No review has this id.
            ReviewResolvedError: It was decided before.
            RetriesExhaustedError: Others were in the way all the time.
        """
        return await retry_transaction(lambda: self._resolve(review_id, resolution, note), limit_s=PATIENCE_S)

    async def _resolve(self, review_id: UUID, resolution: Resolution, note: str) -> Review:
        now = self.clock()
        async with unit_of_work(self.sessions, OutboxMessage, wake=self.wake) as uow:
            decided = await ReviewRepository(uow.session).resolve(review_id, resolution, note, now=now)
            review = await ReviewRepository(uow.session).get(review_id)
            if review is None:
                raise ReviewNotFoundError(review_id)
            if not decided:
                raise ReviewResolvedError(review_id, review.resolution)
            keep_timeline(uow, now)
            event = resolution_event(review, now)
            uow.announce(event)
            await self.sagas.on_review(uow, review, event)
            await uow.commit()
        return review
