"""Whoever shares a bus with others still works in its own name, on one event or on several at once."""

from collections.abc import Sequence

from lab_support.messaging import BatchHandler, Event, EventTypes
from lab_support.services.acting import acting_service, handler_of
from lab_support.services.vocabulary import Payload


class Happened(Payload):
    """Something did."""


TYPES = EventTypes()
TYPES.register(Happened)


def events(many: int) -> list[Event]:
    return [TYPES.event(Happened(), aggregate_type="order", aggregate_id="7") for _ in range(many)]


class Batches(BatchHandler):
    def __init__(self) -> None:
        self.seen: list[tuple[str | None, int]] = []

    async def __call__(self, event: Event) -> None:
        await self.handle_batch([event])

    async def handle_batch(self, events: Sequence[Event]) -> None:
        self.seen.append((acting_service(), len(events)))


async def test_a_handler_of_batches_still_gets_several_events_at_once() -> None:
    handler = Batches()
    named = handler_of("orders", handler)
    assert isinstance(named, BatchHandler)

    await named.handle_batch(events(3))
    await named(events(1)[0])

    assert handler.seen == [("orders", 3), ("orders", 1)]
    assert acting_service() is None


async def test_a_plain_handler_gets_each_event_in_the_name_of_its_service() -> None:
    seen: list[str | None] = []

    async def handler(event: Event) -> None:
        seen.append(acting_service())

    named = handler_of("orders", handler)
    assert not isinstance(named, BatchHandler)

    await named(events(1)[0])

    assert seen == ["orders"]
