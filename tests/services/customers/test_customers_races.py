"""Many at once: no credit is reserved twice, none is lost, and one order is decided once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain
from uuid import UUID, uuid4

import pytest

from tests.services.customers.customer_world import (
    CustomerWorld,
    created,
    failed,
    release,
    reserve,
    stock_unavailable,
)
from tests.services.participating import LIMIT_S

RELEASE = "release-credit"


@pytest.fixture
async def dora(lasting: CustomerWorld) -> str:
    """Give a customer whom only this test knows, with a credit of 100.00."""
    customer_id = f"dora-{uuid4()}"
    await lasting.add({customer_id: "100.00"})
    return customer_id


async def told(world: CustomerWorld, orders: Sequence[UUID]) -> Counter[str]:
    return Counter(chain.from_iterable([await world.told(order) for order in orders]))


async def test_credit_never_becomes_negative(lasting: CustomerWorld, dora: str) -> None:
    """Twenty orders of 20.00 meet a credit of 100.00."""
    orders = [uuid4() for _ in range(20)]

    await lasting.at_once(*(created(order, "20.00", customer_id=dora) for order in orders))

    assert await lasting.credit(dora) == "0.00"
    assert await told(lasting, orders) == {"CustomerCreditReserved": 5, "CustomerCreditLimitExceeded": 15}
    assert await lasting.reserved(dora) == Decimal("100.00")


async def test_credit_is_reserved_to_the_last_cent(lasting: CustomerWorld) -> None:
    """In binary fractions 0.30 - 0.10 is less than 0.20."""
    customer_id = f"dora-{uuid4()}"
    await lasting.add({customer_id: "0.30"})
    orders = [uuid4(), uuid4()]

    for order, amount in zip(orders, ("0.10", "0.20"), strict=True):
        await lasting.hear(created(order, amount, customer_id=customer_id))

    assert await lasting.credit(customer_id) == "0.00"
    assert await told(lasting, orders) == {"CustomerCreditReserved": 2}


async def test_copies_of_one_event_reserve_once(lasting: CustomerWorld, dora: str) -> None:
    order = uuid4()
    event = created(order, customer_id=dora)

    await lasting.at_once(*[event] * 8)

    assert await lasting.credit(dora) == "70.00"
    assert await lasting.told(order) == ["CustomerCreditReserved"]


async def test_one_order_asked_for_many_times_at_once_is_decided_once(
    lasting: CustomerWorld, dora: str
) -> None:
    order = uuid4()

    await lasting.at_once(*(reserve(order, customer_id=dora) for _ in range(8)))

    assert await lasting.credit(dora) == "70.00"
    assert await lasting.told(order) == ["CustomerCreditReserved"] * 8


async def test_reservation_and_its_release_at_once_leave_the_credit_as_it_was(
    lasting: CustomerWorld, dora: str
) -> None:
    orders = [uuid4() for _ in range(6)]

    await lasting.at_once(
        *(created(order, "10.00", customer_id=dora) for order in orders),
        *(failed(order, RELEASE, customer_id=dora) for order in orders),
        *(stock_unavailable(order) for order in orders),
    )
    await lasting.compensate()

    assert await lasting.credit(dora) == "100.00"
    assert {await lasting.status(order) for order in orders} <= {"RELEASED", "CANCELLED"}
    assert {(await lasting.task(order) or ("",))[0] for order in orders} == {"DONE"}


async def test_two_compensators_at_once_release_once(lasting: CustomerWorld, dora: str) -> None:
    """Each has a process of its own in a deployment; here each has a worker of its own on the same table."""
    other = CustomerWorld(lasting.engine)
    orders = [uuid4() for _ in range(5)]
    for order in orders:
        await lasting.hear(reserve(order, "10.00", dora), release(order, dora))

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(lasting.compensate(), other.compensate())

    assert await lasting.credit(dora) == "100.00"
    assert (await told(lasting, orders))["CustomerCreditReleased"] == len(orders)
