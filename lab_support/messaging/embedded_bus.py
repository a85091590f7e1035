"""The embedded bus: durable, shared by processes, in one SQLite file; nothing to install or start.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

import asyncio
import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from lab_support.messaging.bus import DeadLetter, Handler, Message
from lab_support.messaging.delivery_faults import DeliveryFaults
from lab_support.messaging.embedded_log import EmbeddedLog
from lab_support.messaging.embedded_subscription import Subscription
from lab_support.messaging.envelope import encode
from lab_support.messaging.errors import BrokerUnavailableError
from lab_support.messaging.wakeup import FileWatch, watch_file
from lab_support.pools import DatabaseUnreachableError

_LONGEST_PAUSE_S = 5.0


class EmbeddedBus:
    """A bus in a file. A new group begins at the beginning of the log.

    Args:
        path: The file; processes that name the same one share the bus.
        faults: What is to go wrong on the way; None delivers each message once and in order.
        most_deliveries: Failures of one message until it is a dead letter.
        batch: The most messages that are read, and acknowledged, together.
        poll_s: How often a reader looks without being woken, for a group whose reader elsewhere has died, in seconds.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Section:
        13.5, "A bus that misbehaves on purpose"
    """

    def __init__(
        self,
        path: Path,
        *,
        faults: DeliveryFaults | None = None,
        most_deliveries: int = 5,
        batch: int = 100,
        poll_s: float = 0.2,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.log = EmbeddedLog(path)
        self.faults = faults
        self.most_deliveries = most_deliveries
        self.batch = batch
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
        self._wake({topic for topic, _ in bodies})

    def subscribe(self, topic: str, group: str, handler: Handler) -> Subscription:
        """Have a topic's events given to a handler; deliveries happen within `running`, or by hand."""
        subscription = Subscription(self, topic, group, handler)
        self._subscriptions.append(subscription)
        return subscription

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver to all subscriptions made so far, each in a task of its own, while the block runs."""
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(one.run(), name=f"{one.topic} to {one.group}") for one in self._subscriptions
        ]
        tasks.append(asyncio.create_task(watch_file(self.log.path, self._look), name="what others publish"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def dead_letters(self, topic: str | None = None, group: str | None = None) -> list[DeadLetter]:
        """List what was given up, oldest first: by one group on one topic, or by all."""
        return await self.log.dead(topic, group)

    async def retry_dead_letters(self, topic: str, group: str) -> int:
        """Have a group's dead letters delivered again, with all their attempts; return how many they are."""
        number = await self.log.retry(topic, group)
        self._wake({topic})
        return number

    async def purge(self, *, keep: int = 10_000, limit: int = 1000) -> int:
        """Delete messages that every known group has passed, at most so many, and return how many.

        A group is known from its first look at the log until it is forgotten.

        Args:
            keep: How many of a topic's newest messages stay for groups to come; one stays in any case.
            limit: The most to delete in this transaction.
        """
        return await self.log.purge(keep, limit)

    async def forget(self, topic: str, group: str) -> None:
        """Make a group unknown that nobody reads for any more: it would hold back the purge for ever."""
        await self.log.forget(topic, group)

    async def pause(self, failures: int) -> None:
        """Wait a random part of a bound that doubles with each failure in a row."""
        await self._sleep(self._random() * min(_LONGEST_PAUSE_S, 0.05 * 2.0 ** min(failures, 20)))

    def _look(self, watch: FileWatch) -> None:
        """Wake those for whom another process has published, or has asked for a dead letter again."""
        again = watch.ask("SELECT 1 FROM retries LIMIT 1")
        ends = {
            topic: watch.ask("SELECT max(position) FROM log WHERE topic = ?", topic)
            for topic in {one.topic for one in self._subscriptions}
        }
        for one in self._subscriptions:
            if again or ends[one.topic] != one.seen_end:
                one.seen_end = ends[one.topic]
                one.woken.set()

    def _wake(self, topics: Collection[str]) -> None:
        for subscription in self._subscriptions:
            if subscription.topic in topics:
                subscription.woken.set()
