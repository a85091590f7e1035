"""Inventory's process dies at every place of every reaction; the message comes again, and all ends as it should."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from lab_support.messaging import Event
from tests.services.inventory.stock_world import (
    StockWorld,
    credit_reserved,
    failed,
    paid,
    release,
    reserve,
    resolved,
)
from tests.services.participating import dies, places, statements_of

RELEASE = "release-stock"
BOTH = {"DESK-1": 1, "LAMP-7": 2}
Said = Callable[[UUID], Event]


@dataclass(frozen=True)
class Reaction:
    """What came before, what is said now (nothing: a compensation is due), and what it costs."""

    before: tuple[Said, ...]
    now: Said | None
    statements: int
    after: tuple[Any, ...]

    async def act(self, world: StockWorld, order: UUID) -> Callable[[], Awaitable[object]]:
        """Have what came before happen, and give what is to happen now, again and again."""
        for say in self.before:
            await world.hear(say(order))
        if self.now is None:
            return world.compensate_once
        message = self.now(order)
        return lambda: world.hear(message)


def both(order: UUID) -> Event:
    return credit_reserved(order, BOTH)


def too_many(order: UUID) -> Event:
    return paid(order, {"DESK-1": 1, "LAMP-7": 6})


def fails(order: UUID) -> Event:
    return failed(order, RELEASE)


RESERVED, REFUSED, RELEASED = ["StockReserved"], ["InventoryReservationFailed"], ["StockReleased"]
REACTIONS: Final[dict[str, Reaction]] = {
    "reserve-one": Reaction((), paid, 5, ("RESERVED", ["InventoryReserved"], None)),
    "reserve-both": Reaction((), both, 6, ("RESERVED", RESERVED, None)),
    "refuse": Reaction((), too_many, 7, ("REFUSED", REFUSED, None)),
    "promise": Reaction((both,), fails, 2, ("RESERVED", RESERVED, "OPEN")),
    "release": Reaction((both, fails), None, 9, ("RELEASED", RESERVED + RELEASED, "DONE")),
    "nothing-to-release": Reaction((fails,), None, 4, ("CANCELLED", ["NothingToCompensate"], "DONE")),
    "reserve-by-command": Reaction((), reserve, 5, ("RESERVED", RESERVED, None)),
    "repeat-by-command": Reaction((reserve,), reserve, 5, ("RESERVED", RESERVED * 2, None)),
    "release-by-command": Reaction((reserve,), release, 2, ("RESERVED", RESERVED, "OPEN")),
}


@pytest.mark.parametrize("name", sorted(REACTIONS))
async def test_reaction_ends_right_wherever_the_process_dies(lasting: StockWorld, name: str) -> None:
    """Before the commit nothing is kept, after it everything; the message that comes again adds nothing to it."""
    world, reaction = lasting, REACTIONS[name]
    await fill(world)
    calm = uuid4()
    cost = await statements_of(world.engine, await reaction.act(world, calm))
    assert (cost, await world.about(calm)) == (reaction.statements, reaction.after)
    taken = await world.available("DESK-1", "LAMP-7")
    await world.compensate()

    for place in places(cost):
        await fill(world)
        order = uuid4()
        act = await reaction.act(world, order)
        before, available = await world.about(order), await world.available("DESK-1", "LAMP-7")

        assert await dies(world.engine, act, place) == (True, False), place
        kept = "after_commit" in place
        assert await world.about(order) == (reaction.after if kept else before), place
        assert await world.available("DESK-1", "LAMP-7") == (taken if kept else available), place

        await act()

        assert await world.about(order) == reaction.after, place
        assert await world.available("DESK-1", "LAMP-7") == taken, place
        await world.compensate()


@pytest.mark.parametrize("lines", [1, 2, 50])
async def test_each_further_product_costs_one_statement(world: StockWorld, lines: int) -> None:
    pieces = {f"SKU-{n}": 1 for n in range(lines)}
    await world.add(pieces)
    order = uuid4()
    reserving, failing = credit_reserved(order, pieces), failed(order, RELEASE)

    assert await statements_of(world.engine, lambda: world.hear(reserving)) == lines + 4
    await world.hear(failing)
    assert await statements_of(world.engine, world.compensate_once) == lines + 7


@pytest.mark.parametrize("resolution", ["retry", "settled"])
async def test_decision_of_a_person_survives_a_death(lasting: StockWorld, resolution: str) -> None:
    world = lasting
    for place in places(3 if resolution == "settled" else 2):
        order, sku = uuid4(), f"S-{uuid4()}".upper()
        await world.add({sku: 1})
        await world.hear(paid(order, {sku: 1}))
        await world.remove(sku)
        await world.hear(fails(order))
        await world.compensate()
        decision = resolved(order, resolution)

        async def act(decision: Event = decision) -> None:
            await world.hear(decision)

        assert await dies(world.engine, act, place) == (True, False), place
        await act()

        settled = resolution == "settled"
        assert (await world.about(order))[2] == ("SETTLED" if settled else "OPEN"), place
        assert await world.status(order) == ("SETTLED" if settled else "RESERVED"), place


async def fill(world: StockWorld) -> None:
    await world.change("DESK-1", available=3)
    await world.change("LAMP-7", available=5)
