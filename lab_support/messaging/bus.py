"""What a bus is, whatever carries it.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from lab_support.messaging.envelope import Event

Handler = Callable[[Event], Awaitable[None]]


@runtime_checkable
class BatchHandler(Protocol):
    """A handler that can deal with several events at once: a transaction costs as much for twenty as for one.

    A bus may use this, and need not. Each event by itself always works too.
    """

    async def __call__(self, event: Event) -> None:
        """Deal with one event."""

    async def handle_batch(self, events: Sequence[Event]) -> None:
        """Deal with several events, in their order: with all of them, or, when it raises, with none."""


@dataclass(frozen=True, slots=True)
class Message:
    """An event and the topic it is published under."""

    topic: str
    event: Event


@dataclass(frozen=True, slots=True)
class Listener:
    """What a service wants to hear: the events of one topic, as one group, by one handler."""

    topic: str
    group: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a group gave up: its handler raised too often, or nobody could read it."""

    topic: str
    group: str
    body: str
    reason: str


class Bus(Protocol):
    """Carries events from a relay to consumers: at least once, and in order unless something went wrong.

    It is open within `async with`; events are delivered within `running`.
    """

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            BrokerUnavailableError: The broker cannot be reached, or lets nobody in.
        """

    async def __aexit__(self, *_: object) -> None:
        """Close it; what was not acknowledged is delivered again."""

    async def publish(self, batch: Sequence[Message]) -> None:
        """Publish a batch in its order; on return the broker has confirmed all of it.

        Raises:
            BrokerUnavailableError: There was no confirmation; some of it may be published nevertheless.
            Exception: A message of the batch was refused.
        """

    def subscribe(self, topic: str, group: str, handler: Handler) -> object:
        """Have each event of a topic given to one handler of the group, again and again until it returns."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Deliver to all subscriptions made so far, while the block runs."""

    async def dead_letters(self, topic: str, group: str) -> list[DeadLetter]:
        """List what a group gave up, oldest first."""

    async def retry_dead_letters(self, topic: str, group: str) -> int:
        """Have a group's dead letters delivered to it again, and return how many they are."""
