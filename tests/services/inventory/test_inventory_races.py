"""Many at once: nothing is sold twice, nothing is lost, and one order is decided once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from uuid import UUID, uuid4

import pytest

from tests.services.inventory.stock_world import (
    StockWorld,
    credit_reserved,
    failed,
    paid,
    release,
    reserve,
)
from tests.services.participating import LIMIT_S

RELEASE = "release-stock"


@pytest.fixture
async def skus(lasting: StockWorld) -> tuple[str, str]:
    """Give two products that only this test knows, with five pieces of each."""
    names = tuple(f"{letter}-{uuid4()}".upper() for letter in "AB")
    await lasting.add(dict.fromkeys(names, 5))
    return names[0], names[1]


async def told(world: StockWorld, orders: Sequence[UUID]) -> Counter[str]:
    return Counter(chain.from_iterable([await world.told(order) for order in orders]))


async def test_five_pieces_are_sold_five_times(lasting: StockWorld, skus: tuple[str, str]) -> None:
    """Twenty orders at once want one piece each."""
    orders = [uuid4() for _ in range(20)]

    await lasting.at_once(*(credit_reserved(order, {skus[0]: 1}) for order in orders))

    assert await lasting.available(skus[0]) == [0]
    assert await lasting.reserved(skus[0]) == [5]
    assert await told(lasting, orders) == {"StockReserved": 5, "StockUnavailable": 15}


async def test_orders_that_name_products_the_other_way_round_do_not_block_each_other(
    lasting: StockWorld, skus: tuple[str, str]
) -> None:
    first, second = skus
    orders = [uuid4() for _ in range(12)]
    pieces = [{first: 1, second: 1}, {second: 1, first: 1}]

    await lasting.at_once(*(paid(order, pieces[n % 2]) for n, order in enumerate(orders)))

    assert await lasting.available(*skus) == [0, 0]
    assert await told(lasting, orders) == {"InventoryReserved": 5, "InventoryReservationFailed": 7}


async def test_copies_of_one_event_reserve_once(lasting: StockWorld, skus: tuple[str, str]) -> None:
    order = uuid4()
    event = paid(order, {skus[0]: 2})

    await lasting.at_once(*[event] * 8)

    assert await lasting.available(skus[0]) == [3]
    assert await lasting.told(order) == ["InventoryReserved"]


async def test_one_order_asked_for_many_times_at_once_is_decided_once(
    lasting: StockWorld, skus: tuple[str, str]
) -> None:
    order = uuid4()

    await lasting.at_once(*(reserve(order, dict.fromkeys(skus, 2)) for _ in range(8)))

    assert await lasting.available(*skus) == [3, 3]
    assert await lasting.told(order) == ["StockReserved"] * 8


async def test_reservation_and_its_release_at_once_leave_the_stock_as_it_was(
    lasting: StockWorld, skus: tuple[str, str]
) -> None:
    orders = [uuid4() for _ in range(6)]

    await lasting.at_once(
        *(paid(order, dict.fromkeys(skus, 1)) for order in orders),
        *(failed(order, RELEASE) for order in orders),
        *(failed(order, RELEASE) for order in orders),
    )
    await lasting.compensate()

    assert await lasting.available(*skus) == [5, 5]
    assert {await lasting.status(order) for order in orders} <= {"RELEASED", "CANCELLED", "REFUSED"}
    assert {(await lasting.task(order) or ("",))[0] for order in orders} == {"DONE"}


async def test_two_compensators_at_once_put_back_once(lasting: StockWorld, skus: tuple[str, str]) -> None:
    """Each has a process of its own in a deployment; here each has a worker of its own on the same table."""
    other = StockWorld(lasting.engine)
    orders = [uuid4() for _ in range(5)]
    for order in orders:
        await lasting.hear(reserve(order, {skus[0]: 1}), release(order))

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(lasting.compensate(), other.compensate())

    assert await lasting.available(skus[0]) == [5]
    assert (await told(lasting, orders))["StockReleased"] == len(orders)
