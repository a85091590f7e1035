"""A service that takes part in sagas: its relay, what it listens to, and the work it does without being told.

Section:
    13.5, "Who runs the relay?"
"""

from __future__ import annotations

import asyncio
import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from lab_support.database import utc_now
from lab_support.messaging import Bus, Listener, RelaySettings
from lab_support.services.acting import acting_as, handler_of


class Worker(Protocol):
    """Something a service does by itself, again and again: publish, compensate, look for deadlines."""

    async def turn(self) -> object:
        """Do what is due now, without waiting; false when there was nothing."""

    async def run(self) -> None:
        """Take turns until cancelled: at once when woken, else after a pause."""

    def wake(self) -> None:
        """Tell `run` that there may be something to do."""


class Published(Protocol):
    """What a relay did in one turn."""

    @property
    def claimed(self) -> Sequence[object]:
        """What it took on; empty when there was nothing to do."""


class Publisher(Worker, Protocol):
    """A relay, whether the events wait in a table or inside documents."""

    async def turn(self) -> Published:
        """Publish one batch."""

    async def drain(self) -> Sequence[Published]:
        """Publish until there is nothing to claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a service is given from outside, so that a test can give something else.

    Attributes:
        clock: Gives this moment, aware.
        sleep: Waits for so many seconds.
        random: Gives a number from 0 up to, not including, 1.
        relay: Sizes and waits of the relays.
    """

    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = _random.random
    relay: RelaySettings = field(default_factory=RelaySettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One service's part in the conversation.

    Attributes:
        name: The service's.
        relay: Publishes its outbox.
        listeners: What it wants to hear.
        workers: What it does besides.
    """

    name: str
    relay: Publisher
    listeners: Sequence[Listener]
    workers: Sequence[Worker] = ()

    def subscribe(self, bus: Bus) -> None:
        """Ask a bus for everything it wants to hear."""
        for one in self.listeners:
            bus.subscribe(one.topic, one.group, handler_of(self.name, one.handler))

    @asynccontextmanager
    async def running(self, *, relaying: bool = True) -> AsyncIterator[None]:
        """Run relay and workers, each in a task of its own, while the block runs.

        Args:
            relaying: Whether the relay runs here; else `lab relay` has to, in a process of its own.
        """
        with acting_as(self.name):
            tasks = [asyncio.create_task(self.relay.run(), name=f"relay of {self.name}")] if relaying else []
            tasks += [asyncio.create_task(one.run(), name=f"{one!r} of {self.name}") for one in self.workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
