"""A bus that remembers what it was given, refuses what it is told to refuse, and may be away.

Section:
    13.5, "The relay"
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from lab_support.exercises.s13_05.deaths import Life
from lab_support.exercises.s13_05.shop import MessageRefused
from lab_support.messaging import BrokerUnavailableError, Message


class RecordedBus:
    """What stands between the student's relay and nobody.

    Attributes:
        batches: How many batches were sent, whatever became of them.
        log: The messages that are published, in order, as JSON.
        refusals: How often each event was refused, by its id.
    """

    def __init__(self, life: Life, *, refuses: Collection[str] = (), room: int | None = None) -> None:
        self._life, self._refuses, self._room = life, frozenset(refuses), room
        self.batches = 0
        self.log: list[dict[str, Any]] = []
        self.refusals: dict[str, int] = {}

    async def publish(self, batch: Sequence[Message]) -> None:
        """Publish a batch in its order, and confirm it by returning.

        Raises:
            MessageRefused: It will not have one of them, and has published none.
            BrokerUnavailableError: The connection broke; what had got through is published.
        """
        self.batches += 1
        for message in batch:
            event_id = str(message.event.event_id)
            if event_id in self._refuses:
                self.refusals[event_id] = self.refusals.get(event_id, 0) + 1
                raise MessageRefused(f"The broker refuses {message.event.type} {event_id}.")
        await self._round_trip()
        self._life.moment("before a publication")
        for message in batch:
            if self._room is not None and len(self.log) >= self._room:
                raise BrokerUnavailableError("The broker cannot be reached.")
            self.log.append({"topic": message.topic, **message.event.model_dump(mode="json")})
            self._life.moment("after a publication")

    async def _round_trip(self) -> None:
        """Take longer for one batch than for the next, so that batches sent together overtake each other."""
        for _ in range(-self.batches % 4):
            await asyncio.sleep(0)
