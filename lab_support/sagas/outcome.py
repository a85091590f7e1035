"""What the service that owns a saga is told of it.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lab_support.database import UnitOfWork
from lab_support.messaging import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a callback is told of a saga.

    Attributes:
        saga_id: The saga.
        name: Its definition's.
        subject: What it is about: the order's id.
        data: What its steps know.
        step: The step that failed, or that a person has to look at; None when all is well.
        reason: Why, as a code.
        cause: The reply that led here; None when it was silence.
    """

    saga_id: UUID
    name: str
    subject: str
    data: Any
    step: str | None
    reason: str | None
    cause: Event | None

    @property
    def because(self) -> dict[str, Any]:
        """Give what an event announced for it carries on: `EVENTS.event(payload, ..., **outcome.because)`."""
        return {"saga_id": self.saga_id, "causation_id": self.cause.event_id if self.cause else None}


Callback = Callable[[UnitOfWork, Outcome], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What the service that owns a saga does in the transaction of its turn; none of them commits.

    Attributes:
        completed: Every step is done.
        failed: The saga turned back: nothing will come of it. What was done is being made good.
        needs_review: A step has no answer or can't be made good. It may be told more than once of one step.
    """

    completed: Callback
    failed: Callback
    needs_review: Callback
