"""Python's own reports of what is opened: files, SQLite databases, sockets. Heard only while somebody watches.

An audit hook cannot be removed, so one is added once for a process and does nothing while nobody listens.

Section:
    13.9, "Who opened what"
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import thread as executors
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from lab_support.services.acting import acting_service

Heard = Callable[[str, tuple[Any, ...]], None]

EVENTS: Final = frozenset({"sqlite3.connect", "open", "socket.connect"})
_listeners: list[Heard] = []
_started_for: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()
_plain_start: Final = threading.Thread.start
_lock: Final = threading.Lock()
_installed = False


def opener() -> str | None:
    """Name the service for which this thread works: by its context, else by whoever started the thread.

    aiosqlite opens each file in a thread of its own, and a thread does not get its starter's context.
    """
    return acting_service() or _started_for.get(threading.current_thread())


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Have a function told every event of `EVENTS`, in whichever thread it happens, while the block runs.

    It is called inside `open` and its like: it must be quick, must not raise, and must not open anything.
    """
    global _installed
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True
        _listeners.append(heard)
        threading.Thread.start = _start  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(heard)
            if not _listeners:
                threading.Thread.start = _plain_start  # type: ignore[method-assign]


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _listeners and event in EVENTS:
        for heard in tuple(_listeners):
            heard(event, arguments)


def _start(thread: threading.Thread) -> None:
    """Start a thread and remember for whom; not a pool's, which works for everybody."""
    for_whom = opener()
    if for_whom is not None and getattr(thread, "_target", None) is not executors._worker:  # noqa: SLF001
        _started_for[thread] = for_whom
    _plain_start(thread)
