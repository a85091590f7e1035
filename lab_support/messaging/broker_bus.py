"""What the buses on real brokers have in common: bounded publishing, patient handlers, listening that comes back.

Section:
    13.5, "The same saga over a real broker"
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random as _random
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import ClassVar, Self

from lab_support.database.cancellation import stop_if_cancelled
from lab_support.database.urls import masked
from lab_support.messaging.bus import Handler, Listener, Message
from lab_support.messaging.envelope import Event, decode, encode
from lab_support.messaging.errors import BrokerUnavailableError, MessagingError, is_blameless

Letter = tuple[str, Event, bytes]
_log = logging.getLogger(__name__)
_LONGEST_PAUSE_S = 5.0
_LONGEST_GOODBYE_S = 5.0
NAMESPACE = "lab"
"""Begins all names on a broker, unless the settings say something else."""
MOST_CRASHES = 20
"""How often a message may end its consumer's process until it is a dead letter."""


class BrokerBus(ABC):
    """A bus on a broker. Nothing connects until something is published, or `running` begins.

    A group handles one message at a time, in whatever process, so that order is kept. A handler that raises is
    called again, before any later message, with growing pauses, and the message ends among the dead letters after
    `most_deliveries`; failures of the handler's database do not count.

    Args:
        url: The broker's.
        most_deliveries: Failures of one message until it is a dead letter.
        namespace: Begins the name of everything on the broker, so that several shops can share it.
        confirm_s: The longest wait for the confirmation of a batch, connecting included, in seconds.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.

    Section:
        13.5, "The same saga over a real broker"
    """

    away: ClassVar[tuple[type[Exception], ...]]

    def __init__(
        self,
        url: str,
        *,
        namespace: str = NAMESPACE,
        most_deliveries: int = 5,
        confirm_s: float = 5.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.url, self.namespace = url, namespace
        self.most_deliveries, self.confirm_s = most_deliveries, confirm_s
        self._sleep, self._random = sleep, random
        self._listeners: list[Listener] = []
        self._at_work: set[asyncio.Task[object]] = set()
        self._one_publisher = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Connect to nothing yet: a service starts while its broker is away."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection that published."""
        await self._hang_up()

    async def check(self) -> None:
        """Connect now.

        Raises:
            BrokerUnavailableError: The broker cannot be reached, or lets nobody in.
        """
        await self._at_the_broker(self._call)

    async def publish(self, batch: Sequence[Message]) -> None:
        """Publish a batch in its order; when this returns, the broker has confirmed all of it.

        Raises:
            EventTooLargeError: A message is too long; nothing was published.
            BrokerUnavailableError: There was no confirmation in time; some may be published nevertheless.
            Exception: The broker refused a message.
        """
        letters = [(one.topic, one.event, encode(one.event)) for one in batch]
        if letters:
            await self._at_the_broker(lambda: self._send(letters))

    def subscribe(self, topic: str, group: str, handler: Handler) -> Listener:
        """Have a topic's events given to a handler, within `running`."""
        listener = Listener(topic, group, handler)
        self._listeners.append(listener)
        return listener

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver to all subscriptions made so far while the block runs, over again after each lost connection.

        The block begins when the broker knows the groups, or at once when it is away.
        """
        tried = asyncio.Event()
        task = asyncio.create_task(self._listen_for_ever(tried), name=f"{type(self).__name__} listens")
        try:
            await tried.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @abstractmethod
    async def _call(self) -> object:
        """Connect for publishing, unless there is a connection."""

    @abstractmethod
    async def _send(self, letters: Sequence[Letter]) -> None:
        """Publish and await all confirmations."""

    @abstractmethod
    async def _hang_up(self) -> None:
        """Close the connection for publishing, if there is one; never raises."""

    @abstractmethod
    def _listening(self, lost: asyncio.Event) -> AbstractAsyncContextManager[None]:
        """Listen for all listeners while the block runs; set the event when the connection is lost."""

    async def hand_over(self, listener: Listener, body: bytes) -> str | None:
        """Give a message to its handler until it returns.

        Returns:
            None when it did; otherwise the reason why the message is given up.
        """
        try:
            event = decode(body)
        except MessagingError as why:
            return str(why)
        failures = blamed = 0
        while True:
            try:
                await listener.handler(event)
            except Exception as error:
                failures += 1
                blamed += not is_blameless(error)
                _log.warning("%s failed on %s", listener.group, event, exc_info=error)
                if blamed >= self.most_deliveries:
                    return one_line(f"{type(error).__name__}: {error}")
            else:
                return None
            await self._pause(failures)

    async def _at_the_broker(self, work: Callable[[], Awaitable[object]]) -> None:
        async with self._one_publisher:
            try:
                async with asyncio.timeout(self.confirm_s):
                    await work()
            except self.away as error:
                await self._hang_up()
                raise self._unavailable(error) from error
            except asyncio.CancelledError:
                await self._hang_up()
                raise

    async def _listen_for_ever(self, tried: asyncio.Event) -> None:
        failures = 0
        while True:
            lost = asyncio.Event()
            try:
                async with self._listening(lost):
                    failures = 0
                    tried.set()
                    await lost.wait()
                    _log.warning("The connection to %s is lost; connecting again", masked(self.url))
            except Exception as error:
                _log.warning("%s", self._unavailable(error))
            finally:
                await self._stop_work()
            stop_if_cancelled()
            tried.set()
            failures += 1
            await self._pause(failures)

    @asynccontextmanager
    async def _working(self, lost: asyncio.Event) -> AsyncIterator[None]:
        """Deal with a message: cancelled when listening ends; what goes wrong at the broker ends the connection."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._at_work.add(task)
        try:
            yield
        except Exception:
            _log.exception("A message could not be settled; it will be delivered again")
            lost.set()
        finally:
            self._at_work.discard(task)

    async def _stop_work(self) -> None:
        tasks = list(self._at_work)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pause(self, failures: int) -> None:
        await self._sleep(self._random() * min(_LONGEST_PAUSE_S, 0.05 * 2.0 ** min(failures, 20)))

    def _unavailable(self, error: Exception) -> BrokerUnavailableError:
        reason = one_line(str(error)) or "no answer in time"
        return BrokerUnavailableError(
            f"No confirmation from {masked(self.url)} ({type(error).__name__}: {reason}). The events stay in the "
            "outbox; see that the broker runs and lets this user in, then the relay goes on."
        )


async def goodbye(stop: Callable[[], Awaitable[object]]) -> None:
    """Close a connection that may be broken, in bounded time."""
    with suppress(Exception):
        async with asyncio.timeout(_LONGEST_GOODBYE_S):
            await stop()


def token(name: str) -> str:
    """Turn a name into one that every broker allows: itself, or a part of it with a hash."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        return name
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)[:40] + "-" + hashlib.sha256(name.encode()).hexdigest()[:12]


def one_line(reason: str) -> str:
    """Make a text fit for a header."""
    return " ".join(reason.split())[:1000]
