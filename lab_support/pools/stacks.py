"""Who asks, and which calls led here, as a few short lines: for finding out who took a connection.

SQLAlchemy runs in a greenlet of its own, so Python's usual stack ends inside SQLAlchemy; the caller's calls are those
of the parent greenlet.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from greenlet import getcurrent  # type: ignore[import-untyped]

MOST_CALLS: Final = 6
_MACHINERY = ("sqlalchemy", "asyncio", "contextlib", "lab_support.pools", "anyio", "greenlet")


def who_asks() -> str:
    """Name the running task, or the thread where there is none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.current_thread().name if task is None else task.get_name()


def calls_here() -> tuple[str, ...]:
    """Name the calls that led here, the innermost last, without those of the machinery in between."""
    told = []
    for frame in _frames():
        module = str(frame.f_globals.get("__name__", ""))
        if not any(module == part or module.startswith(f"{part}.") for part in _MACHINERY):
            told.append(f"{module}.{frame.f_code.co_qualname}, line {frame.f_lineno}")
            if len(told) == MOST_CALLS:
                break
    return tuple(reversed(told))


def _frames() -> Iterator[FrameType]:
    greenlet = getcurrent()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (as `inspect` does)
    while greenlet is not None:
        while frame is not None:
            yield frame
            frame = frame.f_back
        greenlet = greenlet.parent
        frame = None if greenlet is None else greenlet.gr_frame
