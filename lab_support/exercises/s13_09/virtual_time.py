"""An event loop whose clock jumps: waiting costs nothing, and what takes how long is exact.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import asyncio
import selectors
from asyncio import events
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
PATIENCE_S = 0.2
"""Real seconds to wait where nothing is due any more."""


@dataclass(frozen=True, slots=True)
class Took(Generic[Result]):
    """What a coroutine returned, and when.

    Attributes:
        value: Its result; None if it did not end.
        seconds: Virtual seconds until then.
        ended: False where it waited for what never happens, or for longer than the limit.
    """

    value: Result | None
    seconds: float
    ended: bool


class _NeverEnds(Exception):  # noqa: N818 - it reads as what was found
    """Nothing is due any more, or not before the limit."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, put the clock forward to it."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self.now, self.limit_s = 0.0, limit_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; the clock moves only where nothing is."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:  # no timer; a thread may still have something to say
            ready = super().select(PATIENCE_S)
            if ready:
                return ready
        if timeout is None or self.now + timeout > self.limit_s:
            raise _NeverEnds
        self.now += max(timeout, 0.0)
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: _JumpingSelector) -> None:
        super().__init__(clock)
        self._clock = clock

    def time(self) -> float:
        return self._clock.now


def run_in_virtual_time(work: Coroutine[Any, Any, Result], *, limit_s: float) -> Took[Result]:
    """Run a coroutine on a loop of virtual time, even where another loop is running.

    Args:
        work: What to run; it must wait by the loop alone, not for threads.
        limit_s: Virtual seconds after which it counts as never ending.

    Raises:
        BaseException: Whatever `work` raised.
    """
    clock = _JumpingSelector(limit_s)
    outer = events._get_running_loop()  # noqa: SLF001 - public to those who run loops
    events._set_running_loop(None)  # noqa: SLF001
    try:
        with asyncio.Runner(loop_factory=lambda: _VirtualLoop(clock)) as runner:
            try:
                value = runner.run(work)
            except _NeverEnds:
                took: Took[Result] = Took(None, clock.now, ended=False)
                clock.limit_s = float("inf")  # so that what is left can be cancelled
            else:
                took = Took(value, clock.now, ended=True)
    finally:
        events._set_running_loop(outer)  # noqa: SLF001
    return took
