"""A bus whose every misfortune is drawn from one random generator: for thousands of runs in a minute.

The log outlives the bus objects, as a broker outlives its clients. `EmbeddedBus` and the brokers have contract tests of
their own; here the services are on trial.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from lab_support.messaging import (
    BatchHandler,
    BrokerUnavailableError,
    Event,
    Handler,
    Message,
    decode,
    encode,
)

Delivered = Literal["nothing", "acknowledged", "failed"]
"""How a delivery ended."""


@dataclass(slots=True)
class Misfortunes:
    """How often something goes wrong, each a chance from 0 to 1."""

    duplicate: float = 0.15
    reorder: float = 0.35
    overtaken_by: int = 6
    together: float = 0.3
    unconfirmed: float = 0.06
    away: float = 0.04

    def stop(self) -> None:
        self.duplicate = self.unconfirmed = self.away = 0.0


@dataclass(slots=True)
class SimulatedLog:
    """What the broker holds: all that was published, and what each group has still to get."""

    random: Random
    misfortunes: Misfortunes = field(default_factory=Misfortunes)
    published: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    queues: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)

    def append(self, topic: str, body: bytes) -> None:
        self.published[topic].append(body)
        for (of, _group), queue in self.queues.items():
            if of == topic:
                queue.append(body)

    def waiting(self) -> int:
        return sum(map(len, self.queues.values()))


class SimulatedBus:
    """One process's view of the log."""

    def __init__(self, log: SimulatedLog) -> None:
        self.log = log
        self.subscriptions: list[SimulatedSubscription] = []

    async def publish(self, batch: Sequence[Message]) -> None:
        bodies = [(one.topic, encode(one.event)) for one in batch]
        luck, misfortunes = self.log.random.random(), self.log.misfortunes
        if luck < misfortunes.away:
            raise BrokerUnavailableError("The simulated broker is away.")
        unconfirmed = luck < misfortunes.away + misfortunes.unconfirmed
        kept = self.log.random.randint(0, len(bodies)) if unconfirmed else len(bodies)
        for topic, body in bodies[:kept]:
            self.log.append(topic, body)
        if unconfirmed:
            raise BrokerUnavailableError("The simulated broker gave no confirmation.")

    def subscribe(self, topic: str, group: str, handler: Handler) -> "SimulatedSubscription":
        queue = self.log.queues.setdefault((topic, group), list(self.log.published[topic]))
        subscription = SimulatedSubscription(self.log, topic, group, handler, queue)
        self.subscriptions.append(subscription)
        return subscription


@dataclass(slots=True)
class SimulatedSubscription:
    """What one group has still to get of one topic; a handler that raises gets the message again."""

    log: SimulatedLog
    topic: str
    group: str
    handler: Handler
    queue: list[bytes]
    error: Exception | None = None
    last: Event | None = None

    async def deliver_next(self) -> Delivered:
        """Deliver what luck chooses."""
        random, misfortunes = self.log.random, self.log.misfortunes
        if len(self.queue) > 1 and random.random() < misfortunes.together:
            return await self._deliver_together()
        place = 0
        if self.queue and random.random() < misfortunes.reorder:
            place = random.randrange(min(len(self.queue), misfortunes.overtaken_by))
        return await self.deliver_at(place, again=random.random() < misfortunes.duplicate)

    async def deliver_at(self, place: int, *, again: bool = False) -> Delivered:
        """Deliver one of those that wait; `again` has its acknowledgement lost."""
        self.error = self.last = None
        if not self.queue:
            return "nothing"
        body = self.queue[place]
        self.last = decode(body)
        try:
            await self.handler(self.last)
        except Exception as error:
            self.error = error
            return "failed"
        self.queue.pop(place)
        if again:
            self.queue.insert(self.log.random.randint(0, len(self.queue)), body)
        return "acknowledged"

    async def _deliver_together(self) -> Delivered:
        """Deliver several at once, as `EmbeddedBus` does, and each by itself when that fails."""
        assert isinstance(self.handler, BatchHandler)
        random, misfortunes = self.log.random, self.log.misfortunes
        near = range(min(len(self.queue), misfortunes.overtaken_by))
        bodies = [self.queue[place] for place in random.sample(near, random.randint(2, len(near)))]
        try:
            await self.handler.handle_batch([decode(body) for body in bodies])
        except Exception:
            for body in bodies:
                if await self.deliver_at(self.queue.index(body)) == "failed":
                    return "failed"
            return "acknowledged"
        for body in bodies:
            self.queue.remove(body)
            if random.random() < misfortunes.duplicate:
                self.queue.insert(random.randint(0, len(self.queue)), body)
        return "acknowledged"

    async def deliver(self, *, limit: int) -> list[Delivered]:
        outcomes: list[Delivered] = []
        while len(outcomes) < limit and (outcome := await self.deliver_next()) != "nothing":
            outcomes.append(outcome)
        return outcomes
