"""What looks again and again for something that is due: woken by a commit, with a slow poll as the safety net.

Section:
    13.5, "Who runs the relay?"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Awaitable, Callable

from lab_support.database.cancellation import stop_if_cancelled, to_its_end
from lab_support.sagas.retries import RetryPolicy

_log = logging.getLogger(__name__)
_AFTER_FAILURES = RetryPolicy()


class PollingWorker:
    """Takes turns until it is cancelled; a subclass says what one turn does.

    Args:
        poll_s: How often it looks without being woken, in seconds.
        sleep: Waits for so many seconds; used after a turn that failed.
        random: Gives a number from 0 up to, not including, 1.

    Raises:
        ValueError: It would never look, or all the time.
    """

    def __init__(
        self,
        *,
        poll_s: float = 0.5,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        if not poll_s > 0:
            raise ValueError(f"poll_s is {poll_s}; give seconds above 0.")
        self._poll_s, self._sleep, self._random = poll_s, sleep, random
        self._woken = asyncio.Event()

    async def turn(self) -> object:
        """Do what is due now, without waiting; false when there was nothing."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its turn does; define `turn`.")

    def wake(self) -> None:
        """Tell `run` that there may be something to do."""
        self._woken.set()

    async def run(self) -> None:
        """Take turns until cancelled, which ends no turn half-way.

        After a turn that failed it waits, longer after each failure in a row.
        """
        failures = 0
        while True:
            self._woken.clear()
            try:
                busy = await to_its_end(self.turn())
            except Exception:
                stop_if_cancelled()
                _log.exception("%s failed in a turn; it goes on", type(self).__name__)
                failures += 1
                await self._sleep(_AFTER_FAILURES.wait_s(failures, self._random))
                continue
            failures = 0
            if not busy:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):  # wait_for of 3.11 may swallow a cancellation
                await self._woken.wait()
        except TimeoutError:
            return  # the safety net: something fell due, or another process committed
