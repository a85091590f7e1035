"""A process that dies at any statement of Orders leaves all or nothing, and the same request or event mends it."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import fault
from lab_support.services.orders import events as e
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import (
    IdempotencyKey,
    InboxMessage,
    Order,
    OrderLine,
    OutboxMessage,
    Saga,
    TimelineEntry,
)
from lab_support.services.orders.handlers import Hearing
from lab_support.settings import Settings
from tests.services.orders.taking_orders import Clock, Sessions, consumer, lines, rows, the_order, told

TABLES = (Order, OrderLine, IdempotencyKey, Saga, OutboxMessage, TimelineEntry, InboxMessage)


def places(statements: int) -> list[dict[str, Any]]:
    return [
        *({"after_statement": k} for k in range(1, statements + 1)),
        {"at_commit": True},
        {"after_commit": True},
    ]


@pytest.mark.parametrize(
    ("settings", "statements", "added"),
    [("choreography", 7, (1, 1, 1, 0, 1, 1, 0)), ("orchestration", 8, (1, 1, 1, 1, 2, 2, 0))],
    indirect=["settings"],
    ids=["choreography", "orchestration"],
)
async def test_order_is_all_or_nothing_wherever_it_dies(
    engine: AsyncEngine,
    desk: Desk,
    sessions: Sessions,
    settings: Settings,
    statements: int,
    added: tuple[int, ...],
) -> None:
    """Order, key, saga, event and timeline are kept together or not at all; the same request again mends it."""
    for number, place in enumerate(places(statements)):
        before, died_after = await rows(sessions, *TABLES), "after_commit" in place

        with fault(engine, how="die", **place) as injected:
            await desk.orders.place_order("ada", "credit", lines(), idempotency_key=f"k{number}")

        assert (injected.reached, injected.surfaced) == (True, True), place
        whole = tuple(a + b for a, b in zip(before, added, strict=True))
        assert await rows(sessions, *TABLES) == (whole if died_after else before), place

        await desk.orders.place_order("ada", "credit", lines(), idempotency_key=f"k{number}")

        assert await rows(sessions, *TABLES) == whole, place
    with fault(engine, after_statement=statements + 1) as beyond:
        await desk.orders.place_order("ada", "credit", lines(), idempotency_key="all")
    assert not beyond.reached


async def test_event_has_its_effect_once_wherever_it_dies(
    engine: AsyncEngine, desk: Desk, sessions: Sessions, clock: Clock
) -> None:
    """A death at any statement of the handler keeps nothing; the redelivery ends the order and tells it, once."""
    handle = consumer(sessions, Hearing(desk.sagas, clock))
    for place in places(5):
        taken = await desk.orders.place_order("ada", "credit", lines())
        order = await the_order(sessions, taken.order_id)
        event = told(e.StockReserved(order_id=order.id), "stock", order.saga_id)
        before, died_after = await rows(sessions, *TABLES), "after_commit" in place

        with fault(engine, how="die", **place) as injected:
            await handle(event)

        assert (injected.reached, injected.surfaced) == (True, True), place
        assert (await the_order(sessions, order.id)).status == ("APPROVED" if died_after else "PENDING")
        whole = (*before[:4], before[4] + 1, before[5] + 2, before[6] + 1)
        assert await rows(sessions, *TABLES) == (whole if died_after else before), place

        await handle(event)

        assert (await the_order(sessions, order.id)).status == "APPROVED"
        assert await rows(sessions, *TABLES) == whole, place
