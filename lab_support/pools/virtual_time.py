"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour of sleeping takes no time.

Code that waits only by `asyncio` (sleep, timeout, locks, queues) runs unchanged, and twice the same.

Section:
    13.10, "How large should a pool be?"
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_virtual_time(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run work to its end on a loop of its own with a clock of its own, in a thread beside the running loop.

    Args:
        work: Makes the coroutine; it must use nothing that belongs to the running loop, no network and no threads.

    Raises:
        RuntimeError: Everything waits for something that no timer will bring.
        Exception: Whatever the work raised.

    Section:
        13.10, "How large should a pool be?"
    """
    return await asyncio.to_thread(_run, work)


def _run(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work())


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual_now = 0.0
        super().__init__(_Jumping(self.jump))

    def time(self) -> float:
        return self._virtual_now

    def jump(self, seconds: float) -> None:
        self._virtual_now += seconds


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep until the next timer, its clock is put forward."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("In virtual time everything waits, and no timer runs that could end it.")
        self._jump(max(0.0, timeout))
        return []
