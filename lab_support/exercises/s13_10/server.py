"""A server with a knee, measured in virtual time: some slots, a fixed time for each request, and crowding.

Section:
    13.10, "Sizing a pool"
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

BLOCK: Final = 5
"""One run in so many, of those with one size, is off by a lot."""

STEADY: Final = 0.015
BURST: Final = 1.25
DIP: Final = 0.45
BURST_EVERY: Final = 3


@dataclass(frozen=True, slots=True)
class Server:
    """What a load test meets.

    Attributes:
        slots: Requests that the server works on at the same time.
        service_s: What one request takes, in seconds.
        crowding: By how much each connection beyond the slots slows all of them: 0.04 is 4 %.
        limit: The most connections that this worker may open.
    """

    slots: int
    service_s: float
    crowding: float
    limit: int

    def throughput(self, size: int) -> float:
        """Return requests per second when `size` connections are always busy (Little's law)."""
        busy, crowd = min(size, self.slots), max(0, size - self.slots)
        return busy / self.service_s / (1 + self.crowding * crowd)

    @property
    def best(self) -> float:
        """The highest throughput within the limit."""
        return max(map(self.throughput, range(1, self.limit + 1)))


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What one load test has measured.

    Attributes:
        size: Connections in the pool.
        throughput: Requests per second.
        mean_s: What a request took on average, in seconds, without its wait for a connection.
    """

    size: int
    throughput: float
    mean_s: float


class LoadTests:
    """Runs of a load test on one server. Nothing waits: a run of a minute takes no time here.

    Of each five runs with one size, one is off by a lot: a backup ran, or the machine had a burst to give away.
    For some sizes that is the first run.
    """

    def __init__(self, server: Server, seed: str) -> None:
        self._server, self._seed = server, seed
        self.runs: dict[int, int] = {}

    def run(self, size: int) -> LoadRun:
        """Measure once.

        Raises:
            ValueError: The server does not give this worker so many connections, or fewer than one make no sense.
        """
        if not 1 <= size <= self._server.limit:
            raise ValueError(
                f"A pool of {size} can't be tried: this worker may have 1 to {self._server.limit}."
            )
        number = self.runs[size] = self.runs.get(size, 0) + 1
        throughput = self._measured(size, number - 1)
        return LoadRun(size, round(throughput, 2), round(size / throughput, 6))

    def _measured(self, size: int, number: int) -> float:
        draw = Random(f"{self._seed}/{size}/{number}")  # noqa: S311
        if number % BLOCK == self._off(size, number // BLOCK):
            burst = self._server.best * BURST * draw.uniform(1, 1 + STEADY)
            return burst if size % BURST_EVERY == 0 else self._server.throughput(size) * DIP
        return self._server.throughput(size) * draw.uniform(1 - STEADY, 1 + STEADY)

    def _off(self, size: int, block: int) -> int:
        """Say which run of the block is off."""
        if block == 0 and size % BURST_EVERY == 0:
            return 0
        return Random(f"{self._seed}/{size}/block {block}").randrange(1, BLOCK)  # noqa: S311
