"""How large a pool should be: two rules of thumb, the knee of a measurement, and a model server that has one.

Section:
    13.10, "How large should a pool be?"
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab_support.pools.load import LoadResult, Request


def spindle_size(cores: int, spindles: int = 1) -> int:
    """Return `cores * 2 + spindles`, a first size for all pools of one database server together.

    The formula comes from measurements of PostgreSQL on spinning disks, where a second query can compute while the
    first waits for the disk. Data that is in memory, or on flash, waits less: count 0 or 1 spindle.

    Args:
        cores: The database server's, not the application's; hardware threads do not count.
        spindles: Disks that can seek at the same time.

    Raises:
        ValueError: There is no core, or fewer than no spindle.
    """
    if cores < 1 or spindles < 0:
        raise ValueError(f"{cores} cores and {spindles} spindles make no server; give 1 and 0 or more.")
    return cores * 2 + spindles


def little_size(throughput_per_s: float, held_s: float) -> int:
    """Return how many connections are in use at once on average, rounded up: Little's law, L = λ * W.

    Args:
        throughput_per_s: Requests in a second that are to be served: λ.
        held_s: How long each holds its connection, in seconds, waiting for one not included: W.

    Raises:
        ValueError: A number is not above 0.
    """
    if not (throughput_per_s > 0 and held_s > 0):
        raise ValueError(f"{throughput_per_s} requests/s of {held_s} s need no pool; give numbers above 0.")
    return math.ceil(throughput_per_s * held_s - 1e-9)


def knee(results: Mapping[int, LoadResult], share: float = 0.9) -> int:
    """Return the smallest pool size that reaches a share of the best throughput: beyond it there is little to gain.

    Args:
        results: What was measured at each size.
        share: Above 0 and at most 1.

    Raises:
        ValueError: Nothing was measured, or the share is out of its range.
    """
    if not results or not 0 < share <= 1:
        raise ValueError("A knee needs at least one result and a share above 0 and at most 1.")
    enough = share * max(result.throughput_per_s for result in results.values())
    return min(size for size, result in results.items() if result.throughput_per_s >= enough)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer:
    """A database server that works on so many queries at once and lets the others wait.

    Attributes:
        slots: Queries that run at the same time; about its cores.
        service_s: What one costs while nobody is in the way, in seconds.
        crowding: By which share of `service_s` each query beyond the slots slows down all: switching and locks.
    """

    slots: int
    service_s: float
    crowding: float = 0.02

    def __post_init__(self) -> None:
        """Refuse a server that could serve nobody.

        Raises:
            ValueError: A number is out of its range.
        """
        if self.slots < 1 or not 0 < self.service_s < math.inf or not 0 <= self.crowding < math.inf:
            raise ValueError(f"{self} serves nobody: 1 slot or more, service_s above 0, crowding 0 or more.")

    @asynccontextmanager
    async def pool_of(self, size: int) -> AsyncIterator[Request]:
        """Open a pool of this size on a fresh server and give what sends a request through it; see `sweep`.

        Run it `in_virtual_time`: then the result does not depend on the machine, and takes no time.

        Raises:
            ValueError: The size is below 1.
        """
        if size < 1:
            raise ValueError(f"A pool of {size} connections serves nobody; give 1 or more.")
        pool, slots, running = asyncio.Semaphore(size), asyncio.Semaphore(self.slots), 0

        async def request() -> None:
            nonlocal running
            async with pool:
                running += 1
                try:
                    async with slots:
                        crowd = max(0, running - self.slots)
                        await asyncio.sleep(self.service_s * (1 + self.crowding * crowd))
                finally:
                    running -= 1

        yield request
