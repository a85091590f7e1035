"""A circuit breaker: who has failed several times in a row is left alone for a while, then asked by one.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FAILURES: Final = 5
REST_S: Final = 5.0


class State(StrEnum):
    """What a circuit breaker lets through: everything, nothing, one call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Outcome(StrEnum):
    """How a call ended, as far as it says something about the service.

    NOTHING is for a call that was given up before the service could show anything.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; it belongs to the time since the breaker's last change."""

    era: int


@dataclass(slots=True, kw_only=True)
class CircuitBreaker:
    """Decides whether a call may be made. It waits for nothing and starts nothing: callers ask, and report.

    Closed until `failures` calls in a row have failed. Then open, so that no call is made, for `rest_s`. Then half
    open: one call may try, the others are refused. Its success closes the circuit, its failure opens it anew.

    Attributes:
        failures: So many in a row open it.
        rest_s: How long it stays open, in seconds.
        clock: A clock that never jumps, in seconds.

    Raises:
        ValueError: A number makes no sense.
    """

    failures: int = FAILURES
    rest_s: float = REST_S
    clock: Callable[[], float] = time.monotonic
    _failed: int = field(default=0, init=False)
    _opened_at: float | None = field(default=None, init=False)
    _is_probed: bool = field(default=False, init=False)
    _era: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.failures < 1 or not self.rest_s > 0:
            raise ValueError(
                f"A circuit breaker opens after 1 failure or more and rests for more than 0 s, "
                f"not {self.failures} and {self.rest_s}."
            )

    @property
    def state(self) -> State:
        """What it lets through now."""
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self.rests_for_s > 0 else State.HALF_OPEN

    @property
    def failed_in_a_row(self) -> int:
        """The failures since the last success."""
        return self._failed

    @property
    def rests_for_s(self) -> float:
        """The seconds until it may be tried again; 0 when it may."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self.rest_s - self.clock())

    def ask(self) -> Permit | None:
        """Ask for leave to make a call; whoever gets it has to `report`, however the call ends.

        Returns:
            None when no call may be made.
        """
        if self._opened_at is not None:
            if self.rests_for_s > 0 or self._is_probed:
                return None
            self._is_probed = True
        return Permit(self._era)

    def report(self, permit: Permit, outcome: Outcome) -> None:
        """Say how a call ended. Calls that began before the last change say nothing about the time since."""
        if permit.era != self._era:
            return
        self._is_probed = False
        if outcome is Outcome.SUCCESS:
            self._failed = 0
            if self._opened_at is not None:
                self._change(opened_at=None)
        elif outcome is Outcome.FAILURE:
            self._failed += 1
            if self._opened_at is not None or self._failed >= self.failures:
                self._change(opened_at=self.clock())

    def _change(self, *, opened_at: float | None) -> None:
        self._era += 1
        self._opened_at = opened_at
