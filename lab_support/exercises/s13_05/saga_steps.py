"""What the orchestrator of 13.5.6 is given: the table of its state, and steps that are safe to repeat.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Call = Callable[[UUID], Awaitable[None]]


class OrchestratorBase(DeclarativeBase):
    """What the tables of the orchestrator have in common."""


class SagaState(OrchestratorBase):
    """How far a saga has come: RUNNING, COMPENSATING, and at its end COMPLETED or COMPENSATED.

    `step` and `data` are free for whatever tells where to go on; a changed `data` must be a new dict.
    """

    __tablename__ = "sagas"

    saga_id: Mapped[UUID] = mapped_column(Uuid(), primary_key=True)
    state: Mapped[str] = mapped_column(String(20), default="RUNNING")
    step: Mapped[int] = mapped_column(default=0)
    data: Mapped[dict[str, Any]] = mapped_column(JSON(), default=dict)


class StepFailed(Exception):  # noqa: N818 - it reads as what happened
    """A service refused, or gave no answer in time: then nobody knows whether it did what it was asked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a saga, done by another service.

    Both calls name the saga, so that a repeated one has no further effect; a compensation of what was never
    done has none either.

    Attributes:
        action: Raises `StepFailed` when the saga cannot go on.
        compensation: Undoes the action.
    """

    name: str
    action: Call
    compensation: Call
