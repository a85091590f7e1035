"""What goes into the queue of reviews, and what is told of a decision.

Section:
    13.6, "A compensation that fails"
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.services.orders.entities import Review
from lab_support.services.orders.events import EVENTS, TOPIC, ReviewResolved
from lab_support.services.orders.repository import ReviewRepository


def resolution_event(review: Review, now: datetime) -> Event:
    """Tell the participant what was decided about its compensation."""
    resolved = ReviewResolved.model_validate(
        {
            "order_id": review.order_id,
            "service": review.service,
            "action": review.action,
            "resolution": review.resolution,
            "note": review.note or "",
        }
    )
    return EVENTS.event(
        resolved,
        aggregate_type=TOPIC,
        aggregate_id=review.order_id,
        saga_id=review.saga_id,
        causation_id=review.causation_id,
        occurred_at=now,
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """A compensation that failed for good: whose it is, what was to be done, and why it was not, as a code."""

    service: str
    action: str
    reason: str
    attempts: int


async def open_review(
    uow: UnitOfWork,
    order_id: UUID,
    saga_id: UUID,
    failure: Failure,
    *,
    now: datetime,
    cause: Event | None,
) -> None:
    """Put a compensation that failed for good into the queue, in the caller's transaction."""
    review = {
        "id": uuid4(),
        "order_id": order_id,
        "saga_id": saga_id,
        "service": failure.service,
        "action": failure.action,
        "reason": failure.reason,
        "attempts": failure.attempts,
        "causation_id": None if cause is None else cause.event_id,
        "opened_at": now,
    }
    await ReviewRepository(uow.session).open(review)
