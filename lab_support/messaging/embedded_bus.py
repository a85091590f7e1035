"""The embedded bus: durable, shared by processes, in one SQLite file; nothing to install or start.

Section:
    13.5, "Publishing"
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, Self

from sqlalchemy.exc import SQLAlchemyError

from lab_support.messaging.bus import Handler, Message
from lab_support.messaging.delivery_faults import DeliveryFaults
from lab_support.messaging.embedded_log import Delivery, EmbeddedLog
from lab_support.messaging.envelope import decode, encode
from lab_support.messaging.errors import BrokerUnavailableError, MessagingError
from lab_support.messaging.group_lock import GroupLock
from lab_support.pools import DatabaseUnreachableError

Outcome = Literal["nothing", "acknowledged", "failed", "dead"]
_log = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 5.0


class Subscription:
    """One group's reader of one topic. One process at a time reads for a group; another takes over when it dies.

    A message is acknowledged when its handler has returned. One whose handler raises is delivered again, before
    any later message, and ends among the dead letters after `most_deliveries`.
    """

    def __init__(self, bus: EmbeddedBus, topic: str, group: str, handler: Handler) -> None:
        self.topic, self.group = topic, group
        self._bus, self._handler = bus, handler
        self._lock = GroupLock(bus.log.path, topic, group)
        self._one_at_a_time = asyncio.Lock()
        self.woken = asyncio.Event()

    async def deliver_next(self) -> Outcome:
        """Make one delivery by hand, without waiting for one.

        Returns:
            "nothing" when there is none, or when another process reads for this group.
        """
        async with self._one_at_a_time:
            if not self._lock.acquire():
                return "nothing"
            delivery = await self._bus.log.next(self.topic, self.group, self._bus.faults)
            return "nothing" if delivery is None else await self._deliver(delivery)

    async def drain(self) -> list[Outcome]:
        """Deliver until there is nothing left, without pauses, and return how each delivery ended."""
        outcomes: list[Outcome] = []
        while (outcome := await self.deliver_next()) != "nothing":
            outcomes.append(outcome)
        return outcomes

    async def run(self) -> None:
        """Deliver until cancelled, pausing longer after each failure in a row."""
        failures = 0
        while True:
            self.woken.clear()
            try:
                outcome = await self.deliver_next()
            except Exception:
                _log.exception("The bus could not deliver %s to %s", self.topic, self.group)
                outcome = "failed"
            failures = failures + 1 if outcome == "failed" else 0
            if failures:
                await self._bus.pause(failures)
            elif outcome == "nothing":
                await self._wait()

    def release(self) -> None:
        """Let another process read for this group."""
        self._lock.release()

    async def _deliver(self, delivery: Delivery) -> Outcome:
        log = self._bus.log
        try:
            event = decode(delivery.body.encode())
        except MessagingError as why:
            await log.bury(self.topic, self.group, delivery, str(why))
            return "dead"
        try:
            await self._handler(event)
        except Exception as error:
            return await self._failed(delivery, error)
        faults = self._bus.faults
        copies = faults.copies(self.topic, self.group, delivery.position) if faults else 1
        await log.note(self.topic, self.group, delivery, done=delivery.handled + 1 >= copies)
        return "acknowledged"

    async def _failed(self, delivery: Delivery, error: Exception) -> Outcome:
        _log.warning("%s failed on %s %d", self.group, self.topic, delivery.position, exc_info=error)
        if delivery.failures + 1 >= self._bus.most_deliveries:
            reason = f"{type(error).__name__}: {error}"
            await self._bus.log.bury(self.topic, self.group, delivery, reason)
            return "dead"
        await self._bus.log.note(self.topic, self.group, delivery, failed=True)
        return "failed"

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self.woken.wait(), self._bus.poll_s)
        except TimeoutError:
            return  # another process may have published


class EmbeddedBus:
    """A bus in a file. A new group begins at the beginning of the log.

    Args:
        path: The file; processes that name the same one share the bus.
        faults: What is to go wrong on the way; None delivers each message once and in order.
        most_deliveries: Failures of one message until it is a dead letter.
        poll_s: How often another process's messages are looked for, in seconds.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Section:
        13.5, "Publishing"
    """

    def __init__(
        self,
        path: Path,
        *,
        faults: DeliveryFaults | None = None,
        most_deliveries: int = 5,
        poll_s: float = 0.2,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.log = EmbeddedLog(path)
        self.faults = faults
        self.most_deliveries = most_deliveries
        self.poll_s = poll_s
        self._sleep, self._random = sleep, random
        self._subscriptions: list[Subscription] = []

    async def __aenter__(self) -> Self:
        """Open the file, and make it when it is missing."""
        await self.log.create()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let other processes read for the groups, and close the file."""
        for subscription in self._subscriptions:
            subscription.release()
        await self.log.close()

    async def publish(self, batch: Sequence[Message]) -> None:
        """Append a batch to the log, all of it or nothing; when this returns, it is committed.

        Raises:
            EventTooLargeError: A message is too long; nothing was published.
            BrokerUnavailableError: The file could not be written.
        """
        bodies = [(message.topic, encode(message.event).decode()) for message in batch]
        if not bodies:
            return
        try:
            await self.log.append(bodies)
        except (SQLAlchemyError, DatabaseUnreachableError) as error:
            raise BrokerUnavailableError(
                f"The bus at {self.log.path.name} gave no confirmation for {len(bodies)} message(s). "
                "They stay in the outbox; see that the file can be written, then the relay goes on."
            ) from error
        topics = {topic for topic, _ in bodies}
        for subscription in self._subscriptions:
            if subscription.topic in topics:
                subscription.woken.set()

    def subscribe(self, topic: str, group: str, handler: Handler) -> Subscription:
        """Have a topic's events given to a handler; deliveries happen within `running`, or by hand."""
        subscription = Subscription(self, topic, group, handler)
        self._subscriptions.append(subscription)
        return subscription

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver to all subscriptions made so far, each in a task of its own, while the block runs."""
        tasks = [
            asyncio.create_task(one.run(), name=f"{one.topic} to {one.group}") for one in self._subscriptions
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def dead_letters(self, topic: str, group: str) -> list[tuple[int, str, str]]:
        """List what a group gave up: position in the log, body, reason."""
        return await self.log.dead(topic, group)

    async def pause(self, failures: int) -> None:
        """Wait a random part of a bound that doubles with each failure in a row."""
        await self._sleep(self._random() * min(_LONGEST_PAUSE_S, 0.05 * 2.0 ** min(failures, 20)))
