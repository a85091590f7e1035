"""What a pool's gauges show: how full it is now, what has happened to it, and who holds what.

Section:
    13.10, "The pool's anatomy"
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WAIT_BOUNDS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the wait times' buckets, in seconds; whatever was longer is in one more bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """How long those waited who found no free connection, however their wait ended.

    Attributes:
        counts: How many waits fell into each bucket of `WAIT_BOUNDS_S`, and how many were longer.
        total_s: All waits together, in seconds.
        longest_s: The longest, in seconds.
    """

    counts: tuple[int, ...]
    total_s: float
    longest_s: float

    @property
    def count(self) -> int:
        """How many waits have ended."""
        return sum(self.counts)

    def at_most(self, share: float) -> float:
        """Return a bound that so large a share of the waits did not pass, in seconds; 0 when nobody waited.

        Args:
            share: Above 0, up to 1; 0.95 asks for the 95th percentile.

        Raises:
            ValueError: The share is none.
        """
        if not 0 < share <= 1:
            raise ValueError(f"A share of {share} is none; give a number above 0, up to 1.")
        wanted, seen = share * self.count, 0
        for bound, found in zip((*WAIT_BOUNDS_S, self.longest_s), self.counts, strict=True):
            seen += found
            if found and seen >= wanted:
                return min(bound, self.longest_s)
        return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who took a connection and has not given it back.

    Attributes:
        name: The task's or the thread's.
        since: When, on the pool's clock, in seconds.
        held_s: For how long, in seconds.
        stack: Where it was taken, innermost call last, if the pool traces checkouts.
    """

    name: str
    since: float
    held_s: float
    stack: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolGauges:
    """A pool at one moment.

    Every attempt to get a connection ends in one of four ways: it is in `checkouts`, `timeouts`, `failures` or
    `cancelled`.

    Attributes:
        size: Connections that stay open between uses, at most.
        max_overflow: Further ones under load, at most.
        checked_out: In somebody's hands.
        opening: Those of them that are still being opened.
        idle: Open, and free for the next one to ask.
        overflow: Places taken beyond `size`.
        waiting: Who waits for a connection.
        checkouts: How often one was handed out.
        timeouts: How often somebody gave up waiting.
        failures: How often somebody got an error instead, such as when none could be opened.
        cancelled: How often somebody was cancelled before he got one.
        connects: Connections opened.
        connect_errors: Connections that could not be opened.
        closes: Connections closed, for whatever reason.
        recycles: Connections replaced because of their age.
        invalidations: Connections thrown away as broken.
        pre_ping_failures: Those of them that a ping before use found dead.
        waits: How long the waits took that have ended.
    """

    size: int
    max_overflow: int
    checked_out: int
    opening: int
    idle: int
    overflow: int
    waiting: int
    checkouts: int
    timeouts: int
    failures: int
    cancelled: int
    connects: int
    connect_errors: int
    closes: int
    recycles: int
    invalidations: int
    pre_ping_failures: int
    waits: WaitTimes

    @property
    def limit(self) -> int:
        """The most connections that can be open at once."""
        return self.size + self.max_overflow


class PoolMeter:
    """Counts what happens to one pool; whoever runs the pool tells it.

    It is not locked: one thread writes, or the writer locks.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin at zero.

        Args:
            clock: Gives the seconds since some fixed moment.
        """
        self.clock = clock
        self.opening = self.waiting = 0
        self.checkouts = self.timeouts = self.failures = self.cancelled = 0
        self.connects = self.connect_errors = self.closes = 0
        self.recycles = self.invalidations = self.pre_ping_failures = 0
        self._held: dict[object, tuple[str, float, tuple[str, ...]]] = {}
        self._counts = [0] * (len(WAIT_BOUNDS_S) + 1)
        self._total_s = self._longest_s = 0.0

    def taken(self, connection: object, name: str, stack: tuple[str, ...] = ()) -> None:
        """Note who has a connection now; telling it twice changes nothing."""
        if connection not in self._held:
            self._held[connection] = (name, self.clock(), stack)

    def given_back(self, connection: object) -> None:
        """Note that nobody has it any more."""
        self._held.pop(connection, None)

    def waited(self, seconds: float) -> None:
        """Note a wait that has ended, well or not."""
        self._counts[bisect_left(WAIT_BOUNDS_S, seconds)] += 1
        self._total_s += seconds
        self._longest_s = max(self._longest_s, seconds)

    def held_longer_than(self, seconds: float) -> list[Holder]:
        """List who has held a connection for longer than so many seconds, the longest first."""
        now = self.clock()
        return [
            Holder(name=name, since=since, held_s=now - since, stack=stack)
            for name, since, stack in sorted(self._held.values(), key=lambda one: one[1])
            if now - since > seconds
        ]

    def read(self, *, size: int, max_overflow: int, idle: int, overflow: int) -> PoolGauges:
        """Give the gauges of this moment, with what only the pool itself knows."""
        return PoolGauges(
            size=size,
            max_overflow=max_overflow,
            checked_out=len(self._held),
            opening=self.opening,
            idle=idle,
            overflow=overflow,
            waiting=self.waiting,
            checkouts=self.checkouts,
            timeouts=self.timeouts,
            failures=self.failures,
            cancelled=self.cancelled,
            connects=self.connects,
            connect_errors=self.connect_errors,
            closes=self.closes,
            recycles=self.recycles,
            invalidations=self.invalidations,
            pre_ping_failures=self.pre_ping_failures,
            waits=WaitTimes(counts=tuple(self._counts), total_s=self._total_s, longest_s=self._longest_s),
        )
