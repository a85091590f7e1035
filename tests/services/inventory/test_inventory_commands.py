"""What Inventory does when an orchestrator asks: the same, and it answers under `order.replies`."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from lab_support.messaging import Event
from tests.services.inventory.stock_world import StockWorld, release, reserve


@pytest.fixture
def order() -> UUID:
    return uuid4()


async def replies(world: StockWorld) -> list[str]:
    """Give the types of the answers; everything else would be heard by the choreography."""
    announced = await world.announced()
    assert {topic for topic, _ in announced} <= {"order.replies"}
    return [event.type for _topic, event in announced]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (reserve, "StockReserved"),
        (lambda order: reserve(order, {"LAMP-7": 6}), "StockUnavailable"),
        (lambda order: reserve(order, {"DESK-1": 1, "LAMP-7": 2}, "card"), "InventoryReserved"),
        (lambda order: reserve(order, {"NONE-1": 1}, "card"), "InventoryReservationFailed"),
    ],
    ids=["credit", "credit-refused", "card", "card-refused"],
)
async def test_orchestrator_that_asks_again_gets_the_same_answer(
    world: StockWorld, order: UUID, command: Callable[[UUID], Event], answer: str
) -> None:
    await world.hear(command(order))
    available = await world.available("LAMP-7", "DESK-1")
    await world.hear(command(order))

    assert await replies(world) == [answer, answer]
    assert await world.available("LAMP-7", "DESK-1") == available
    first, second = [event.payload for _topic, event in await world.announced()]
    assert first == second


async def test_release_puts_back_and_is_answered_each_time(world: StockWorld, order: UUID) -> None:
    await world.hear(reserve(order), release(order))
    await world.compensate()
    await world.hear(release(order))
    await world.compensate()

    assert await replies(world) == ["StockReserved", "StockReleased", "StockReleased"]
    assert await world.available("LAMP-7") == [5]
    first, second = [event.payload for _topic, event in await world.announced()][1:]
    assert first == second


async def test_release_before_the_command_keeps_it_from_happening(world: StockWorld, order: UUID) -> None:
    await world.hear(release(order))
    await world.compensate()
    await world.hear(reserve(order), release(order))

    assert await replies(world) == ["NothingToCompensate", "NothingToCompensate"]
    assert await world.available("LAMP-7") == [5]


async def test_release_that_fails_for_good_is_told_to_the_orchestrator(
    world: StockWorld, order: UUID
) -> None:
    await world.hear(reserve(order))
    await world.remove("LAMP-7")
    await world.hear(release(order))
    await world.compensate()
    await world.hear(release(order))

    assert await replies(world) == ["StockReserved", "CompensationFailed"]
