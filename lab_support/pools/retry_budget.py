"""Retries that can't become a storm: scattered in time, and limited to a share of the requests.

When a service fails, each caller that tries three times makes three times the load, just when there is least room for
it. A budget lets a few failures be retried, and lets go when everything fails.

Section:
    13.10, "Retries with backoff and a budget"
"""

from __future__ import annotations

import asyncio
import random as _random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lab_support.pools.deadlines import remaining

Result = TypeVar("Result")
_HIGHEST_POWER = 60  # of two: beyond it any cap has long been reached


def full_jitter(
    attempt: int, *, base_s: float, cap_s: float, random: Callable[[], float] = _random.random
) -> float:
    """Return how long to wait after a failed attempt, in seconds: any part of a limit that doubles each time.

    A fixed wait would bring back at one moment all who failed at one moment.

    Args:
        attempt: Which one failed, from 1.
        base_s: The limit after the first, in seconds.
        cap_s: The highest limit, in seconds.
        random: Gives a number from 0 up to, not including, 1.
    """
    return random() * min(cap_s, base_s * 2.0 ** min(attempt - 1, _HIGHEST_POWER))


class RetryBudget:
    """A token bucket: each request pays a part of a token in, each retry takes a whole one out.

    It belongs to one destination and is shared by all who call it.
    """

    def __init__(
        self,
        *,
        share: float = 0.1,
        per_s: float = 0.5,
        most: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a full bucket.

        Args:
            share: Retries that each request pays for; 0.1 allows one in ten.
            per_s: Retries allowed per second in any case, for a caller with few requests.
            most: Tokens that the bucket holds: the longest burst of retries.
            clock: Gives the seconds since some fixed moment.

        Raises:
            ValueError: A number is below zero, or the bucket holds not even one token.
        """
        if not (share >= 0 and per_s >= 0):
            raise ValueError(f"share is {share} and per_s is {per_s}; give numbers of 0 or more.")
        if not most >= 1:
            raise ValueError(f"most is {most}; give 1 or more, else no retry is ever allowed.")
        self._share, self._per_s, self._most, self._clock = share, per_s, most, clock
        self._tokens, self._filled_at = most, clock()

    @property
    def tokens(self) -> float:
        """How many retries are allowed at this moment."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._filled_at) * self._per_s)
        self._filled_at = now
        return self._tokens

    def request(self) -> None:
        """Pay in for a request: once, not for its retries."""
        self._tokens = min(self._most, self.tokens + self._share)

    def retry(self) -> bool:
        """Take a token out for a retry; False when there is none, and the failure is to be passed on."""
        if self.tokens < 1:
            return False
        self._tokens -= 1
        return True


async def retry_within(
    budget: RetryBudget,
    call: Callable[[], Awaitable[Result]],
    *,
    worth_it: Callable[[Exception], bool],
    attempts: int = 3,
    base_s: float = 0.05,
    cap_s: float = 1.0,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    random: Callable[[], float] = _random.random,
) -> Result:
    """Call, and call again after a failure, as often as attempts, budget and deadline allow.

    Args:
        budget: That of the destination.
        call: Starts one attempt. It has to be safe to repeat.
        worth_it: Tells whether a failure may be over by the next attempt.
        attempts: The most calls, the first included.
        base_s: The longest wait after the first failure, in seconds; it doubles with each failure.
        cap_s: The longest wait of all, in seconds.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Raises:
        Exception: The last attempt's.
        ValueError: There is to be no attempt.
    """
    if attempts < 1:
        raise ValueError(f"attempts is {attempts}; give 1 or more.")
    budget.request()
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except Exception as error:
            wait_s = full_jitter(attempt, base_s=base_s, cap_s=cap_s, random=random)
            if attempt == attempts or not worth_it(error) or wait_s >= remaining() or not budget.retry():
                raise
        await sleep(wait_s)
    raise AssertionError("not reached")
