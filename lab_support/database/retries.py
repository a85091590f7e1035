"""Retries: a whole unit of work run again when others were in its way, with bounded and scattered waits.

Section:
    13.4, "Retries: run the whole unit of work again"
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import random as _random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from lab_support.pools import Trouble
from lab_support.pools.causes import trouble_of
from lab_support.pools.deadlines import remaining
from lab_support.pools.retry_budget import full_jitter

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class RetriesExhaustedError(Exception):
    """Every attempt met a transient error; the last one is the `__cause__`.

    Attributes:
        attempts: How often the work was run.
    """

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(
            f"The unit of work was run {attempts} time(s), and others were in its way each time. Make it shorter, "
            "lock in one order everywhere, or let the caller come back later (503); see 13.4, 'Retries'."
        )


def is_transient(error: BaseException) -> bool:
    """Tell whether the same work may succeed when it is run again from its beginning.

    It may after a serialization failure, a deadlock or a lock not granted in time: SQLSTATE 40001, 40P01, 55P03;
    MariaDB 1213, 1205, 1020; SQLITE_BUSY and SQLITE_LOCKED with their kin. Asked are the error, the driver's
    error in it and its declared causes (`raise … from`), not what was merely being handled. A broken rule is
    broken again by the next attempt: an IntegrityError among them makes the answer no, as do retries that
    were exhausted already.
    """
    links = list(_declared_causes(error))
    if any(isinstance(link, IntegrityError | RetriesExhaustedError) for link in links):
        return False
    return any(trouble_of(link) is Trouble.BUSY for link in links)


async def retry_transaction(
    work: Callable[[], Awaitable[Result]],
    *,
    attempts: int = 5,
    base_s: float = 0.02,
    cap_s: float = 1.0,
    limit_s: float = math.inf,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    random: Callable[[], float] = _random.random,
) -> Result:
    """Run a unit of work, and run it again from its beginning after a transient error.

    Before attempt n + 1 it waits a random part of min(cap, base * 2**(n - 1)) seconds, so that those who met do
    not meet again.

    Args:
        work: Opens its own unit of work, reads anew and commits; it is called once per attempt.
        attempts: The most runs, the first included.
        base_s: Longest wait after the first failure, in seconds; it doubles with each failure.
        cap_s: Longest wait of all, in seconds.
        limit_s: When an attempt fails later than this after the beginning, in seconds, it was the last one: an
            attempt that waited for a lock in vain has cost its caller a lock timeout already. The request's own
            deadline (`pools.deadlines`) counts too.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Raises:
        RetriesExhaustedError: The last attempt, by number or by time, met a transient error too: the cause.
        Exception: Whatever else the work raised; it is never run again after that.
        ValueError: There is to be no attempt, or a wait is negative.
        TypeError: The work is not a function.
    """
    _check(work, attempts, base_s, cap_s)
    deadline = time.monotonic() + min(limit_s, remaining())
    for attempt in range(1, attempts + 1):
        try:
            return await work()
        except Exception as error:
            if not is_transient(error):
                raise
            error.add_note(f"Attempt {attempt} of {attempts} of this unit of work.")
            if attempt == attempts or time.monotonic() > deadline:
                raise RetriesExhaustedError(attempt) from error
            wait_s = full_jitter(attempt, base_s=base_s, cap_s=cap_s, random=random)
            _log.info(
                "Attempt %d of %d met %s; again in %.3f s", attempt, attempts, type(error).__name__, wait_s
            )
        await sleep(wait_s)  # here the failed attempt's error is let go
    raise AssertionError("not reached")


def _check(work: object, attempts: int, base_s: float, cap_s: float) -> None:
    if inspect.isawaitable(work) or not callable(work):
        raise TypeError(
            f"retry_transaction needs a function that starts the work, not {type(work).__name__}: a coroutine runs "
            "once. Write retry_transaction(lambda: place_order(...))."
        )
    if attempts < 1:
        raise ValueError(f"attempts is {attempts}; give 1 or more.")
    if not (base_s >= 0 and cap_s >= 0):
        raise ValueError(f"base_s is {base_s} and cap_s is {cap_s}; give seconds of 0 or more.")


def _declared_causes(error: BaseException) -> Iterator[BaseException]:
    seen = set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = getattr(link, "orig", None) or link.__cause__
