"""Tasks that are told to stop: what they have begun may end, and no cancellation is lost on its way.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

GOODBYE_S: Final = 2.0
"""The longest that something which has begun may go on after the request to stop, in seconds."""


async def to_its_end(work: Coroutine[Any, Any, Result], *, goodbye_s: float = GOODBYE_S) -> Result:
    """Await work that should not be cut in two: when this task is cancelled, the work may end before it stops.

    A statement that is cancelled half-way costs its connection, and SQLAlchemy says so in the log.

    Args:
        work: What is to be done.
        goodbye_s: How long it may go on after the cancellation, in seconds; then it is cancelled too.

    Raises:
        asyncio.CancelledError: The running task was cancelled.
        Exception: Whatever the work raised.
    """
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([working], timeout=goodbye_s)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        raise


def stop_if_cancelled() -> None:
    """End a task that was cancelled and goes on: for a loop that catches errors and never ends.

    A driver that is cancelled in the middle of a statement may raise an error of its own instead. A loop that takes
    that for a failed turn would go on, and whoever stops it would wait for ever.

    Raises:
        asyncio.CancelledError: The running task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError("It was cancelled, and an error took the place of the cancellation.")
