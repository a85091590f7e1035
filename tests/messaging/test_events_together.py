"""Several events at once: one transaction for all of them, and each by itself when that cannot be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from messaging_tables import Counted, InboxMessage, OutboxMessage, Sale, Sessions, counted, number_of
from sqlalchemy.ext.asyncio import AsyncEngine
from test_inbox import consumer, found, sells

from lab_support.database import UnitOfWork, fault, trace_sql
from lab_support.messaging import (
    BatchHandler,
    DeliveryFaults,
    EmbeddedBus,
    Event,
    EventTypes,
    Message,
    RedeliveredError,
)
from lab_support.messaging.embedded_subscription import TOGETHER


async def test_several_events_have_their_effects_in_one_transaction(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    events = [counted(str(n), n) for n in range(4)]
    with trace_sql(engine) as trace:
        await consumer(sessions).handle_batch(events)

    assert await found(sessions) == (4, 4, 4)
    assert trace.commits == 1
    assert sum("inbox" in one.sql for one in trace.statements) == 1


async def test_a_batch_with_a_known_event_keeps_nothing(sessions: Sessions) -> None:
    deal, events = consumer(sessions), [counted(str(n), n) for n in range(3)]
    await deal(events[1])

    with pytest.raises(RedeliveredError, match="each by itself"):
        await deal.handle_batch(events)

    assert await found(sessions) == (1, 1, 1)


async def test_a_batch_with_two_copies_of_an_event_keeps_nothing(sessions: Sessions) -> None:
    event = counted("7", 1)

    with pytest.raises(RedeliveredError):
        await consumer(sessions).handle_batch([event, event])

    assert await found(sessions) == (0, 0, 0)


async def test_a_batch_in_which_one_effect_fails_keeps_nothing(sessions: Sessions) -> None:
    with pytest.raises(LookupError, match="no product 2"):
        await consumer(sessions, effect=sells_but_not_2).handle_batch([counted(str(n), n) for n in (1, 2, 3)])

    assert await found(sessions) == (0, 0, 0)


async def test_a_batch_that_dies_at_its_commit_keeps_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    events = [counted(str(n), n) for n in range(3)]
    with fault(engine, how="die", at_commit=True):
        await consumer(sessions).handle_batch(events)
    assert await found(sessions) == (0, 0, 0)

    await consumer(sessions).handle_batch(events)
    assert await found(sessions) == (3, 3, 3)


async def test_an_unreadable_event_of_a_batch_is_parked_and_the_others_have_effects(
    sessions: Sessions,
) -> None:
    stranger = EventTypes()

    class Unheard(Counted):
        """A type that the consumer does not know."""

    stranger.register(Unheard)
    strange = stranger.event(Unheard(n=9), aggregate_type="order", aggregate_id="9")
    await consumer(sessions).handle_batch([counted("1", 1), strange, counted("2", 2)])

    assert await found(sessions) == (2, 2, 3)


async def test_events_that_a_consumer_does_not_use_cost_no_transaction(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    with trace_sql(engine) as trace:
        await consumer(sessions, only={"Other"}).handle_batch([counted("1", 1), counted("2", 2)])

    assert trace.statements == []


async def test_the_bus_gives_a_handler_of_batches_many_at_once_and_in_order(tmp_path: Path) -> None:
    handler = Batches()
    numbers = list(range(TOGETHER + 10))
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        stock = bus.subscribe("order", "stock", handler)
        await bus.publish(messages(numbers))
        assert await stock.drain() == ["acknowledged"] * len(numbers)

    assert handler.got == [numbers[:TOGETHER], numbers[TOGETHER:]]


async def test_the_bus_gives_each_by_itself_when_a_batch_failed(tmp_path: Path) -> None:
    """The good ones before the bad one are acknowledged once; the bad one alone is delivered again."""
    handler = Batches(raises_on=2)
    async with EmbeddedBus(tmp_path / "bus.db", most_deliveries=2) as bus:
        stock = bus.subscribe("order", "stock", handler)
        await bus.publish(messages([1, 2, 3]))
        assert await stock.drain() == ["acknowledged", "failed", "dead", "acknowledged"]
        [letter] = await bus.dead_letters()

    assert handler.got == [[1, 2, 3], [1], [2], [2, 3], [2], [3]]
    assert "no product 2" in letter.reason


async def test_a_broken_message_in_a_batch_is_buried_alone(tmp_path: Path) -> None:
    handler = Batches()
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        stock = bus.subscribe("order", "stock", handler)
        await bus.publish(messages([1]))
        await bus.log.append([("order", "no event at all")])
        await bus.publish(messages([2]))
        assert await stock.drain() == ["acknowledged", "dead", "acknowledged"]

    assert handler.got == [[1], [2]]


async def test_a_consumer_on_a_bus_that_repeats_and_reorders_has_each_effect_once(
    sessions: Sessions, tmp_path: Path
) -> None:
    faults = DeliveryFaults(seed=4, duplicates=0.5, delays=0.5)
    async with EmbeddedBus(tmp_path / "bus.db", faults=faults) as bus:
        stock = bus.subscribe("order", "stock", consumer(sessions))
        await bus.publish(messages(range(40)))
        delivered = await stock.drain()

    assert len(delivered) > 40
    assert await number_of(sessions, Sale) == 40
    assert await number_of(sessions, OutboxMessage) == 40
    assert await number_of(sessions, InboxMessage) == 40


async def sells_but_not_2(uow: UnitOfWork, event: Event, payload: Any) -> None:
    await sells(uow, event, payload)
    if payload.n == 2:
        raise LookupError("no product 2")


def messages(numbers: Sequence[int]) -> list[Message]:
    return [Message("order", counted("7", n)) for n in numbers]


class Batches(BatchHandler):
    """Keeps the numbers it got, those that came together in one list."""

    def __init__(self, *, raises_on: int | None = None) -> None:
        self.got: list[list[int]] = []
        self.raises_on = raises_on

    async def __call__(self, event: Event) -> None:
        await self.handle_batch([event])

    async def handle_batch(self, events: Sequence[Event]) -> None:
        numbers = [int(str(event.payload["n"])) for event in events]
        self.got.append(numbers)
        if self.raises_on in numbers:
            raise LookupError(f"no product {self.raises_on}")
