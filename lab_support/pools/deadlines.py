"""One deadline for one request, seen by everything that the request does.

Each call that waits asks how much time is left, and waits no longer. Else the limits of nested calls add up, and work
goes on for a caller who has gone.

Section:
    13.10, "A deadline handed down the calls"
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Final

DEADLINE_HEADER: Final = "Request-Timeout-Ms"
"""The header that hands a deadline to another service: what is left of it, in whole milliseconds.

It is a length of time and not a moment, for two machines' clocks differ."""

_expires_at: ContextVar[float] = ContextVar("deadline", default=math.inf)


class DeadlineExceededError(TimeoutError):
    """The time that somebody gave for the whole work is used up."""

    def __init__(self, doing: str = "The work") -> None:
        super().__init__(f"{doing} was not done within its deadline. Nobody waits for the answer any more.")


def remaining() -> float:
    """Return the seconds that are left: never below 0, infinite without a deadline.

    Most servers and drivers read a limit of 0 as "wait for ever": give them `within_deadline(limit)` instead.
    """
    return max(0.0, _expires_at.get() - time.monotonic())


def within_deadline(limit_s: float) -> float:
    """Shorten a limit to what the deadline leaves; the result is always above 0.

    Args:
        limit_s: The longest wait without a deadline, in seconds, above 0.

    Raises:
        DeadlineExceededError: Nothing is left, so there is no point in beginning.
        ValueError: The limit is not above zero.
    """
    if not limit_s > 0:
        raise ValueError(f"A limit of {limit_s} s can't be shortened; give seconds above 0.")
    left = remaining()
    if left <= 0:
        raise DeadlineExceededError
    return min(limit_s, left)


def deadline_headers() -> dict[str, str]:
    """Give the header for a call to another service; none without a deadline.

    Raises:
        DeadlineExceededError: Less than a millisecond is left, so there is no point in calling.
    """
    left = remaining()
    if left == math.inf:
        return {}
    if (milliseconds := int(left * 1000)) < 1:
        raise DeadlineExceededError
    return {DEADLINE_HEADER: str(milliseconds)}


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Give the block so much time, and cancel what it awaits when that is over.

    Inside a block with less time the outer deadline stays in force: an inner one can only shorten. Tasks that the
    block starts inherit it.

    Args:
        seconds: From now; 0 or less has passed already, infinite sets none.

    Raises:
        DeadlineExceededError: The time was over before the block's end.
        ValueError: The seconds are no number.
    """
    if math.isnan(seconds):
        raise ValueError("A deadline of nan s is none; give a number of seconds.")
    outer = _expires_at.get()
    moment = time.monotonic() + seconds
    if moment >= outer:
        yield  # the outer block's timer is the one that rings, and its error is the outer block's to raise
        return
    if seconds <= 0:
        raise DeadlineExceededError
    # Set back by hand: a token may only be used in the context that gave it, which a generator's end may not be.
    _expires_at.set(moment)
    try:
        async with asyncio.timeout(seconds) as timer:
            yield
    except TimeoutError as error:
        if timer.expired() and not isinstance(error, DeadlineExceededError):
            raise DeadlineExceededError from error
        raise
    finally:
        _expires_at.set(outer)


@contextmanager
def without_deadline() -> Iterator[None]:
    """Let the block start work that outlives the request, such as a task that ends what has begun.

    It hides the deadline from `remaining` and from tasks started here; what the block itself awaits is still cut off.
    """
    outer = _expires_at.get()
    _expires_at.set(math.inf)
    try:
        yield
    finally:
        _expires_at.set(outer)
