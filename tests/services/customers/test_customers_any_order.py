"""Whatever comes, in whatever order and however often: credit is conserved, and every order ends as it must."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_support.database import build_engine
from lab_support.messaging import Event
from tests.services.customers.customer_world import (
    CustomerWorld,
    approved,
    confirmed,
    created,
    failed,
    release,
    reserve,
    stock_unavailable,
    verify,
)

RELEASE = "release-credit"
INITIAL = Decimal("100.00")
HISTORIES = {
    "approved": (created, approved),
    "no-stock": (created, stock_unavailable, failed),
    "deadline": (created, failed),
    "stock-and-deadline": (created, stock_unavailable, failed),
    "confirmed": (created, confirmed),
    "card-failed": (created, failed),
    "orchestrated": (created, reserve, approved),
    "compensated": (created, reserve, release, failed),
    "verified": (created, verify, confirmed),
}
COMPENSATES = {"deadline": (RELEASE,), "stock-and-deadline": (RELEASE,), "card-failed": ("refund-payment",)}
TURN = "a turn of the compensator"


def history(kind: str, order: UUID, customer: str, total: str) -> list[Event]:
    """Everything that is ever said to Customers about one order."""
    mode = "orchestration" if kind in ("orchestrated", "compensated", "verified") else "choreography"
    pay_by = "card" if kind in ("confirmed", "card-failed", "verified") else "credit"
    said: dict[Any, Event] = {
        created: created(order, total, customer_id=customer, pay_by=pay_by, coordination=mode),
        failed: failed(order, *COMPENSATES.get(kind, ()), customer_id=customer),
        approved: approved(order, customer),
        confirmed: confirmed(order, customer),
        stock_unavailable: stock_unavailable(order),
        reserve: reserve(order, total, customer),
        release: release(order, customer),
        verify: verify(order, customer),
    }
    return [said[one] for one in HISTORIES[kind]]


@pytest.fixture(scope="module")
def here() -> Iterator[tuple[asyncio.Runner, CustomerWorld]]:
    """Give one database for all examples; each has orders and a customer of its own."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        engine = build_engine(f"sqlite:///{Path(folder) / 'customers.db'}")
        yield loop, loop.run(CustomerWorld.opened(engine))
        loop.run(engine.dispose())


@given(data=st.data(), kinds=st.lists(st.sampled_from(sorted(HISTORIES)), min_size=1, max_size=4))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_credit_is_conserved_in_any_order(
    here: tuple[asyncio.Runner, CustomerWorld], data: st.DataObject, kinds: list[str]
) -> None:
    loop, world = here
    customer = f"c-{uuid4()}"
    orders = {uuid4(): kind for kind in kinds}
    totals = st.sampled_from(["0.10", "33.30", "60.00", "100.00", "100.01"])
    said = [
        event for order, kind in orders.items() for event in history(kind, order, customer, data.draw(totals))
    ]
    first = data.draw(st.lists(st.sampled_from([*said, TURN]), max_size=12))
    then = data.draw(st.permutations(said))

    loop.run(world.add({customer: str(INITIAL)}))
    for step in [*first, *then]:
        loop.run(one_step(world, step))
    loop.run(world.compensate())

    loop.run(assert_right(world, customer, orders))


async def one_step(world: CustomerWorld, step: Any) -> None:
    await (world.compensate_once() if step == TURN else world.hear(step))


async def assert_right(world: CustomerWorld, customer: str, orders: dict[UUID, str]) -> None:
    credit = Decimal(await world.credit(customer))
    assert credit >= 0
    assert credit + await world.reserved(customer) == INITIAL
    for order, kind in orders.items():
        await assert_ended(world, order, kind)


async def assert_ended(world: CustomerWorld, order: UUID, kind: str) -> None:
    status, told, task, letters = await world.about(order)
    counted = Counter(told)
    assert task in (None, "DONE")
    assert letters == (kind in ("approved", "confirmed", "orchestrated", "verified"))
    assert max(counted.values(), default=0) <= 1
    if kind in ("no-stock", "deadline", "stock-and-deadline", "compensated"):
        assert status in ("RELEASED", "CANCELLED", "REFUSED")
        assert counted["CustomerCreditReleased"] == (status == "RELEASED")
        assert counted["NothingToCompensate"] == (status != "RELEASED")
    elif kind in ("approved", "orchestrated"):
        assert status in ("RESERVED", "REFUSED")
        assert counted["CustomerCreditReleased"] == 0
    else:
        assert status in (None, "CANCELLED")
