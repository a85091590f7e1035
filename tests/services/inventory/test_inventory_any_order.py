"""Whatever comes, in whatever order and however often: pieces are conserved, and every order ends as it must."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_support.database import build_engine
from lab_support.messaging import Event
from tests.services.inventory.stock_world import (
    Pieces,
    StockWorld,
    credit_reserved,
    failed,
    paid,
    release,
    reserve,
)

RELEASE = "release-stock"
INITIAL = [5, 3]
HISTORIES = {
    "on-credit": (credit_reserved,),
    "by-card": (paid,),
    "credit-failed": (credit_reserved, failed),
    "card-failed": (paid, failed),
    "never-asked": (failed,),
    "orchestrated": (reserve,),
    "compensated": (reserve, release),
}
FAILING = {"credit-failed", "card-failed", "never-asked", "compensated"}
TURN = "a turn of the compensator"


def history(kind: str, order: UUID, pieces: Pieces) -> list[Event]:
    """Everything that is ever said to Inventory about one order."""
    said: dict[Any, Event] = {
        credit_reserved: credit_reserved(order, pieces),
        paid: paid(order, pieces),
        failed: failed(order, "refund-payment", RELEASE),
        reserve: reserve(order, pieces),
        release: release(order),
    }
    return [said[one] for one in HISTORIES[kind]]


@pytest.fixture(scope="module")
def here() -> Iterator[tuple[asyncio.Runner, StockWorld]]:
    """Give one database for all examples; each has orders and products of its own."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        engine = build_engine(f"sqlite:///{Path(folder) / 'inventory.db'}")
        yield loop, loop.run(StockWorld.opened(engine))
        loop.run(engine.dispose())


@given(data=st.data(), kinds=st.lists(st.sampled_from(sorted(HISTORIES)), min_size=1, max_size=4))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_pieces_are_conserved_in_any_order(
    here: tuple[asyncio.Runner, StockWorld], data: st.DataObject, kinds: list[str]
) -> None:
    loop, world = here
    skus = [f"{letter}-{uuid4()}".upper() for letter in "AB"]
    orders = {uuid4(): kind for kind in kinds}
    pieces = st.dictionaries(st.sampled_from(skus), st.integers(1, 4), min_size=1)
    said = [event for order, kind in orders.items() for event in history(kind, order, data.draw(pieces))]
    first = data.draw(st.lists(st.sampled_from([*said, TURN]), max_size=12))
    then = data.draw(st.permutations(said))

    loop.run(world.add(dict(zip(skus, INITIAL, strict=True))))
    for step in [*first, *then]:
        loop.run(one_step(world, step))
        loop.run(assert_conserved(world, skus))
    loop.run(world.compensate())

    loop.run(assert_conserved(world, skus))
    for order, kind in orders.items():
        loop.run(assert_ended(world, order, kind))


async def one_step(world: StockWorld, step: Any) -> None:
    await (world.compensate_once() if step == TURN else world.hear(step))


async def assert_conserved(world: StockWorld, skus: list[str]) -> None:
    available, reserved = await world.available(*skus), await world.reserved(*skus)

    assert [(left or 0) + held for left, held in zip(available, reserved, strict=True)] == INITIAL
    assert min(left or 0 for left in available) >= 0


async def assert_ended(world: StockWorld, order: UUID, kind: str) -> None:
    status, told, task = await world.about(order)
    counted = Counter(told)
    assert max(counted.values(), default=0) <= 1
    if kind in FAILING:
        assert task == "DONE"
        assert status in ("RELEASED", "CANCELLED", "REFUSED")
        assert counted["StockReleased"] == (status == "RELEASED")
        assert counted["NothingToCompensate"] == (status != "RELEASED")
    else:
        assert task is None
        assert status in ("RESERVED", "REFUSED")
