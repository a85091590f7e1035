"""A cancellation that somebody has lost on its way.

Section:
    13.10, "The four timeouts"
"""

from __future__ import annotations

import asyncio


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
