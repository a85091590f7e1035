"""Customers' process dies at every place of every reaction; the message comes again, and all ends as it should."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from lab_support.messaging import Event
from tests.services.customers.customer_world import (
    CustomerWorld,
    approved,
    created,
    failed,
    release,
    reserve,
    resolved,
    stock_unavailable,
    verify,
)
from tests.services.participating import dies, places, statements_of

RELEASE = "release-credit"
Said = Callable[[UUID], Event]


@dataclass(frozen=True)
class Reaction:
    """What came before, what is said now (nothing: a compensation is due), and what it costs."""

    before: tuple[Said, ...]
    now: Said | None
    statements: int
    after: tuple[Any, ...]

    async def act(self, world: CustomerWorld, order: UUID) -> Callable[[], Awaitable[object]]:
        """Have what came before happen, and give what is to happen now, again and again."""
        for say in self.before:
            await world.hear(say(order))
        if self.now is None:
            return world.compensate_once
        message = self.now(order)
        return lambda: world.hear(message)


def fails(order: UUID) -> Event:
    return failed(order, RELEASE)


def too_dear(order: UUID) -> Event:
    return created(order, "5000.00")


def by_card(order: UUID) -> Event:
    return created(order, pay_by="card")


REACTIONS: Final[dict[str, Reaction]] = {
    "reserve": Reaction((), created, 5, ("RESERVED", ["CustomerCreditReserved"], None, 0)),
    "refuse": Reaction((), too_dear, 7, ("REFUSED", ["CustomerCreditLimitExceeded"], None, 0)),
    "verify": Reaction((), by_card, 4, (None, ["CustomerVerified"], None, 0)),
    "approve": Reaction((created,), approved, 3, ("RESERVED", ["CustomerCreditReserved"], None, 1)),
    "tombstone": Reaction((), failed, 2, ("CANCELLED", [], None, 0)),
    "promise": Reaction((created,), fails, 2, ("RESERVED", ["CustomerCreditReserved"], "OPEN", 0)),
    "promise-for-stock": Reaction((), stock_unavailable, 2, (None, [], "OPEN", 0)),
    "release": Reaction(
        (created, fails),
        None,
        7,
        ("RELEASED", ["CustomerCreditReserved", "CustomerCreditReleased"], "DONE", 0),
    ),
    "nothing-to-release": Reaction((fails,), None, 4, ("CANCELLED", ["NothingToCompensate"], "DONE", 0)),
    "reserve-by-command": Reaction((), reserve, 4, ("RESERVED", ["CustomerCreditReserved"], None, 0)),
    "repeat-by-command": Reaction(
        (reserve,), reserve, 4, ("RESERVED", ["CustomerCreditReserved"] * 2, None, 0)
    ),
    "verify-by-command": Reaction((), verify, 3, (None, ["CustomerVerified"], None, 0)),
    "release-by-command": Reaction(
        (reserve,), release, 2, ("RESERVED", ["CustomerCreditReserved"], "OPEN", 0)
    ),
}


@pytest.mark.parametrize("name", sorted(REACTIONS))
async def test_reaction_ends_right_wherever_the_process_dies(lasting: CustomerWorld, name: str) -> None:
    """Before the commit nothing is kept, after it everything; the message that comes again adds nothing to it."""
    world, reaction = lasting, REACTIONS[name]
    calm = uuid4()
    await world.set_credit("100.00")
    cost = await statements_of(world.engine, await reaction.act(world, calm))
    assert (cost, await world.about(calm)) == (reaction.statements, reaction.after)
    await world.compensate()

    for place in places(cost):
        await world.set_credit("100.00")
        order = uuid4()
        act = await reaction.act(world, order)
        before, credit = await world.about(order), await world.credit()

        assert await dies(world.engine, act, place) == (True, False), place
        kept = "after_commit" in place
        assert await world.about(order) == (reaction.after if kept else before), place
        assert kept or await world.credit() == credit, place

        await act()

        assert await world.about(order) == reaction.after, place
        status = reaction.after[0]
        assert await world.credit() == ("70.00" if status == "RESERVED" else "100.00"), place
        await world.compensate()


@pytest.mark.parametrize("resolution", ["retry", "settled"])
async def test_decision_of_a_person_survives_a_death(lasting: CustomerWorld, resolution: str) -> None:
    world = lasting
    for place in places(3 if resolution == "settled" else 2):
        order, dora = uuid4(), f"dora-{uuid4()}"
        await world.add({dora: "100.00"})
        await world.hear(created(order, customer_id=dora))
        await world.remove(dora)
        await world.hear(failed(order, RELEASE, customer_id=dora))
        await world.compensate()
        decision = resolved(order, resolution)

        async def act(decision: Event = decision) -> None:
            await world.hear(decision)

        assert await dies(world.engine, act, place) == (True, False), place
        await act()

        task = await world.task(order)
        assert task is not None
        assert task[0] == ("SETTLED" if resolution == "settled" else "OPEN"), place
        assert await world.status(order) == ("SETTLED" if resolution == "settled" else "RESERVED"), place
