"""A closed-loop load test: so many users, each with one request at a time, counted after a warm-up.

It is bounded by a number of requests, and by a time for the case that they do not come.

Section:
    13.10, "How large should a pool be?"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from ddsketch import DDSketch

_ACCURACY: Final = 0.01  # percentiles are off by at most this share of themselves

Request = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What was measured between the end of the warm-up and the last counted request.

    Attributes:
        users: How many sent requests, one at a time each.
        requests: How many were answered.
        errors: How many raised instead; their times are not among the percentiles.
        seconds: The length of the window.
        mean_s: The mean time of an answer, in seconds.
        p50_s: Half of the answers were as fast as this, in seconds; off by at most one part in a hundred.
        p95_s: The same for 95 of 100.
        p99_s: The same for 99 of 100.
    """

    users: int
    requests: int
    errors: int
    seconds: float
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float

    @property
    def throughput_per_s(self) -> float:
        """Answers in a second: λ."""
        return self.requests / self.seconds

    @property
    def in_flight(self) -> float:
        """How many requests were on their way at once, by Little's law: L = λ * W."""
        return self.throughput_per_s * self.mean_s


class NoAnswerError(Exception):
    """Nothing was answered, so there is nothing to measure."""


async def run_load(
    request: Request, *, users: int, measured: int, warm_up: int = 0, limit_s: float = 60.0
) -> LoadResult:
    """Let users send requests until so many have been counted.

    A user sends the next request when the last is answered (a closed loop): a slow server is asked less often, so
    its times look better than they would to users who come whether it is slow or not.

    Args:
        request: Sends one request and waits for its answer.
        users: How many do so at once, 1 or more.
        measured: How many requests are counted, 1 or more; a failed one counts as an error.
        warm_up: How many are sent before that and not counted: they open connections and fill caches.
        limit_s: The longest the whole may take, in seconds; then what was counted so far is the result.

    Raises:
        ValueError: A number is out of its range.
        NoAnswerError: Every counted request failed (the first failure is its cause), or none came in time.

    Section:
        13.10, "How large should a pool be?"
    """
    for name, number, lowest in (("users", users, 1), ("measured", measured, 1), ("warm_up", warm_up, 0)):
        if number < lowest:
            raise ValueError(f"{name} is {number}; give a number of {lowest} or more.")
    if not limit_s > 0:
        raise ValueError(f"limit_s is {limit_s}; give a number of seconds above 0.")
    window = _Window(warm_up, measured)
    try:
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as crowd:
            for _ in range(users):
                crowd.create_task(_user(request, window))
    except TimeoutError:
        if not window.is_open:
            raise NoAnswerError(f"After {limit_s} s the warm-up was not over. Send fewer requests.") from None
    return window.result(users)


async def _user(request: Request, window: _Window) -> None:
    clock = asyncio.get_running_loop()
    while not window.is_full:  # what is on its way at the end may end; it is not counted
        began = clock.time()
        try:
            await request()
        except Exception as error:
            window.failed(error, clock.time())
            await asyncio.sleep(0)  # a request that fails at once must not keep the others from theirs
        else:
            window.answered(began, clock.time())


class _Window:
    """Counts what ends after the warm-up."""

    def __init__(self, warm_up: int, measured: int) -> None:
        self._to_warm_up, self._measured = warm_up, measured
        self._times = DDSketch(_ACCURACY)
        self._sum_s = 0.0
        self._answers = self._errors = 0
        self._first_error: Exception | None = None
        self._began = self._ended = asyncio.get_running_loop().time()

    @property
    def is_open(self) -> bool:
        return self._to_warm_up <= 0

    @property
    def is_full(self) -> bool:
        return self._answers + self._errors >= self._measured

    def answered(self, began: float, now: float) -> None:
        if self._counts(now):
            self._answers += 1
            self._sum_s += now - began
            self._times.add(now - began)

    def failed(self, error: Exception, now: float) -> None:
        if self._counts(now):
            self._errors += 1
            self._first_error = self._first_error or error

    def _counts(self, now: float) -> bool:
        if self.is_full:
            return False
        if self._to_warm_up > 0:
            self._to_warm_up -= 1
            self._began = now
            return False
        self._ended = now
        return True

    def result(self, users: int) -> LoadResult:
        if not self._answers:
            raise NoAnswerError(
                f"None of {self._errors} requests was answered. Try one by itself first."
            ) from self._first_error
        half, most, nearly_all = (self._times.get_quantile_value(share) or 0.0 for share in (0.5, 0.95, 0.99))
        return LoadResult(
            users=users,
            requests=self._answers,
            errors=self._errors,
            seconds=max(self._ended - self._began, 1e-9),
            mean_s=self._sum_s / self._answers,
            p50_s=half,
            p95_s=most,
            p99_s=nearly_all,
        )


async def sweep(
    sizes: Iterable[int],
    pool_of: Callable[[int], AbstractAsyncContextManager[Request]],
    *,
    users: int,
    measured: int,
    warm_up: int = 0,
) -> AsyncIterator[tuple[int, LoadResult]]:
    """Try one pool size after the other under the same load; give each result as soon as it is there.

    Args:
        sizes: Pool sizes to try.
        pool_of: Opens a pool of a size for the block, and gives what sends one request through it.
        users: See `run_load`; as many as the largest size, or a larger pool has nothing to do.
        measured: See `run_load`.
        warm_up: See `run_load`.

    Raises:
        ValueError: See `run_load`.
        NoAnswerError: See `run_load`.
    """
    for size in sizes:
        async with pool_of(size) as request:
            yield size, await run_load(request, users=users, measured=measured, warm_up=warm_up)
