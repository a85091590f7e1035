"""Where a saga is, what it hears, and what it decides: plain values that nothing changes.

Section:
    13.5, "The same operation, orchestrated"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from lab_support.sagas.definition import Step

Status = Literal["RUNNING", "COMPENSATING", "COMPLETED", "COMPENSATED", "REQUIRES_REVIEW"]
Kind = Literal["completed", "failed", "needs_review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaState:
    """Where a saga is.

    Attributes:
        status: RUNNING forward, COMPENSATING backward, or how it ended.
        step: The step whose answer it waits for; None when it waits for none.
        data: What its steps know.
        registered: Steps whose compensation was registered before their command was sent, in that order.
        in_review: Steps that a person has to look at.
        attempts: How often the present command was sent.
        failed_step: Where it turned back.
        reason: Why it did, as a code.
    """

    status: Status
    step: str | None
    data: BaseModel
    registered: tuple[str, ...] = ()
    in_review: tuple[str, ...] = ()
    attempts: int = 0
    failed_step: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer has come."""

    payload: BaseModel


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer came before the deadline."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A person has taken care of a step that was in review."""

    step: str


Incoming = Reply | Silence | Settled


@dataclass(frozen=True, slots=True)
class Send:
    """A command to send."""

    step: Step
    command: BaseModel


@dataclass(frozen=True, slots=True)
class Call:
    """What the service that owns the saga has to be told."""

    kind: Kind
    step: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The new state, the command to send, and whom to tell what."""

    state: SagaState
    send: Send | None = None
    calls: tuple[Call, ...] = ()
