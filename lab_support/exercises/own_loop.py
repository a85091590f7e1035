"""Run a coroutine on an event loop of its own, and end it when its time is up, whatever it does.

The loop is separate from the notebook's, so that student code that stops, closes or clutters a loop harms only its own.
`asyncio.timeout` cannot stop `while True:`; a signal (POSIX) or an exception set on the thread (elsewhere) can.

Section:
    All sections; 13.10 teaches why a cancelled task is not a stopped query.
"""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import signal
import threading
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

Result = TypeVar("Result")
REPEAT_S = 0.25
CLEAN_UP_S = 3.0


class TimeIsUp(BaseException):
    """Raised inside code that ran past its limit; not an `Exception`, so `except Exception` cannot swallow it."""


class LoopStoppedError(Exception):
    """Something stopped the loop under the code that was running on it."""


def run_on_own_loop(work: Coroutine[Any, Any, Result], *, limit_s: float, cut: Callable[[], None]) -> Result:
    """Run `work` to its end on a new event loop, even where a loop is running already.

    Args:
        work: What to run.
        limit_s: Longest it may take, in seconds.
        cut: Called when the time is up, before tasks are cancelled; ends what a cancelled task would leave running.

    Raises:
        TimeIsUp: The limit passed; every task of the loop was cancelled.
        LoopStoppedError: `work` did not come to its end, because something stopped the loop.
        BaseException: Whatever `work` raised.
    """
    outer = events._get_running_loop()  # noqa: SLF001 - public to those who run loops
    events._set_running_loop(None)  # noqa: SLF001
    runner = asyncio.Runner()
    try:
        with _alarm(limit_s):
            return runner.run(work)
    except TimeIsUp:
        cut()
        raise
    except RuntimeError as error:
        if inspect.getcoroutinestate(work) == inspect.CORO_CLOSED:
            raise
        raise LoopStoppedError("Your code stopped the event loop that it was running on.") from error
    finally:
        with suppress(TimeIsUp), _alarm(CLEAN_UP_S):
            runner.close()
        events._set_running_loop(outer)  # noqa: SLF001


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` in this thread after so many seconds, and again until the block is left."""
    posix_main = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    with _signal_alarm(seconds) if posix_main else _thread_alarm(seconds):
        yield


@contextmanager
def _signal_alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeIsUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def _thread_alarm(seconds: float) -> Iterator[None]:
    thread_id = ctypes.c_ulong(threading.get_ident())
    left = threading.Event()

    def ring() -> None:
        wait = seconds
        while not left.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(TimeIsUp))
            wait = REPEAT_S

    watcher = threading.Thread(target=ring, name="check-alarm", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        watcher.join()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, None)
