"""Measure two ways of doing the same work in turn, and compare them pair by pair."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long one way takes as the other; `limit` None means reported only."""

    what: str
    median: float
    smallest: float
    largest: float
    limit: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the median is within the limit."""
        return self.limit is None or self.median <= self.limit


async def compare(
    what: str, ours: Work, plain: Work, *, limit: float | None, pairs: int = 15, each: int = 1
) -> Ratio:
    """Time `ours` and `plain` in turn, `each` calls at a time, and return the ratio of the pairs.

    Every pair is measured within the same moment, so that a machine that drifts does not matter. One pair warms up.
    """
    found = []
    for number in range(pairs + 1):
        first = await _seconds(ours, each)
        second = await _seconds(plain, each)
        if number:
            found.append(first / second)
    return ratio(what, found, limit)


def ratio(what: str, found: list[float], limit: float | None) -> Ratio:
    """Summarise measured ratios."""
    return Ratio(what, statistics.median(found), min(found), max(found), limit)


async def _seconds(work: Work, times: int) -> float:
    await asyncio.sleep(0)
    began = time.perf_counter()
    for _ in range(times):
        await work()
    return time.perf_counter() - began
