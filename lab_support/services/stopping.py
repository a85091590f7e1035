"""A request to stop: what Ctrl-C and SIGTERM are to a process that wants to end in peace.

Section:
    13.5, "Who runs the relay?"
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def signals_ask(ask: Callable[[], object]) -> Iterator[None]:
    """Take SIGINT and SIGTERM as a call of `ask`, on the running loop, while the block runs.

    Signals reach a process's first thread alone; in another one nothing is changed.

    Args:
        ask: Called for each signal, such as `asyncio.Event.set`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def handle(*_: object) -> None:
        loop.call_soon_threadsafe(ask)

    before = {sig: signal.signal(sig, handle) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
