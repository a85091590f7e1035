"""13.5.5: the choreography, judged by the books of three services after reordered and repeated events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_05.saga_books import (
    ENDS,
    NEITHER,
    draw_case,
    heard_by_service,
    judge,
    open_books,
    seed_books,
)
from lab_support.exercises.s13_05.saga_courier import Courier, Weather
from lab_support.exercises.s13_05.saga_given import reserve_credit, reserve_stock
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    Customer,
    CustomerCreditReserved,
    Order,
    StockReservation,
    StockReserved,
    StockUnavailable,
)
from lab_support.exercises.story import Story
from lab_support.messaging import Event

STORMS: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("each fact is told again later, under a new event_id", {"told_again": 1.0}, ()),
    ("Customers get their events after all others, the newest first", {"slow": "Customers"}, ()),
    ("Inventory gets its events after all others, the newest first", {"slow": "Inventory"}, ()),
    (
        "they come in any order, some of them again",
        {"shuffled": True, "told_again": 0.4, "repeated": 0.3},
        (NEITHER,),
    ),
)
"""What happens on the way, and the orders beside one of each kind; the first three catch every stored answer."""

SHUFFLED = 3
"""How often the last of them comes, each time with another seed."""

choreography = Exercise(
    id="13.5.5",
    title="The choreography",
    task="Conclude orders and release credit and stock, in whatever order and however often the events come.",
    student_writes=("conclude_order", "release_credit", "release_stock"),
    witness="rows",
    limit_s=20.0,
    hints=(
        "Take two of the events and swap them. What does your handler find in its table then? And when the same fact "
        "comes a second time under a new event_id?",
        "The state of a row decides: only a PENDING order changes, only a RESERVED reservation is released. Where "
        "there is no reservation yet, leave a row that says RELEASED: the reservation that comes later finds it.",
        "row = await uow.session.get(CreditReservation, fact.order_id)\nif row is None:\n"
        '    uow.session.add(CreditReservation(order_id=fact.order_id, customer_id=None, state="RELEASED"))\n'
        'elif row.state == "RESERVED":\n    row.state = "RELEASED"\n    ...  # give back row.amount, and say so',
    ),
    misconceptions=(
        Misconception(
            "assumes-order",
            "You believe that events arrive in the order in which they happened. A refusal overtook the reservation, "
            "or one answer the other: let each handler find out from its own rows what has come already.",
            lambda seen: seen.calm_is_right and seen.left_over,
        ),
        Misconception(
            "compensates-twice",
            "You believe that a compensation comes once. The same fact was told again under a new event_id, and what "
            "was given back already was given back again: release only what is RESERVED.",
            lambda seen: seen.calm_is_right and seen.given_twice,
        ),
        Misconception(
            "overwrites-terminal",
            "You believe that the last event is right. An order that had ended was told something else and changed: "
            "only a PENDING order may change.",
            lambda seen: seen.calm_is_right and seen.changed_after_end,
        ),
    ),
)


@choreography.act
async def carry(attempt: Attempt, events: list[dict[str, Any]], weather: dict[str, Any]) -> dict[str, Any]:
    """Carry events between the services until nothing is left."""
    handlers = {
        "Customers.reserve_credit": reserve_credit,
        "Customers.release_credit": attempt.the("release_credit"),
        "Inventory.reserve_stock": reserve_stock,
        "Inventory.release_stock": attempt.the("release_stock"),
        "Orders.conclude_order": attempt.the("conclude_order"),
    }
    courier = Courier(attempt.engine, handlers, Weather(**weather))
    await courier.carry([Event.model_validate(event) for event in events])
    return {
        "dead": courier.dead,
        "left": [event.model_dump(mode="json") for event in courier.left],
        "foreign": sorted(courier.foreign),
        "heard": courier.heard,
    }


async def _run(story: Story, kinds: list[str], call: str, weather: dict[str, Any]) -> None:
    cases = [draw_case(story.random, kind) for kind in kinds]
    seed = str(story.random.getrandbits(32))
    answer = await story.ask(
        carry, call=call, events=await seed_books(story, cases), weather={"seed": seed, **weather}
    )
    story.expect(not answer["foreign"], "A service used a table of another; it knows of others from events only.",
                 observed=", ".join(answer["foreign"]))  # fmt: skip
    for case in cases:
        await judge(story, case, heard_by_service(answer["heard"], case.order.order_id))
    story.expect(
        not answer["dead"], "An event was delivered again and again, and given up.", observed=answer["dead"]
    )


@choreography.scenario("in order and told once, each order ends as it must")
async def calm(story: Story) -> None:
    await open_books(story)
    await _run(
        story, ["all is well", "no credit", "no stock"], "three orders; each event comes once, in order", {}
    )
    story.saw(calm_is_right=True)


@choreography.scenario(
    "whatever overtakes or repeats, credit and stock are conserved and an end is final", points=4
)
async def storms(story: Story) -> None:
    await open_books(story)
    for told, weather, more in (*STORMS[:-1], *[STORMS[-1]] * SHUFFLED):
        kinds = [*ENDS, *more]
        story.random.shuffle(kinds)
        await _run(story, kinds, f"{len(kinds)} orders with their events: {told}", weather)


@choreography.scenario("what a service has heard, it still knows after a restart")
async def restarts(story: Story) -> None:
    await open_books(story)
    refused, filled = draw_case(story.random, "no stock"), draw_case(story.random, "all is well")
    created = await seed_books(story, [refused, filled])
    late, good = refused.order, filled.order
    said_no = {"order_id": late.order_id, "sku": late.sku, "quantity": late.quantity, "state": "REFUSED"}
    await story.write(insert(StockReservation), [said_no])
    first = (
        StockUnavailable(order_id=late.order_id, sku=late.sku, quantity=late.quantity),
        CustomerCreditReserved(order_id=good.order_id, customer_id=good.customer_id, amount=good.total),
    )
    then = StockReserved(order_id=good.order_id, sku=good.sku, quantity=good.quantity)
    facts = [TYPES.event(one, aggregate_type="Facts", aggregate_id=one.order_id).model_dump(mode="json")
             for one in (*first, then)]  # fmt: skip
    before = await story.ask(
        carry, call="StockUnavailable overtakes an order, another order hears CustomerCreditReserved",
        events=facts[:2], weather={}, fresh_process=True,
    )  # fmt: skip
    await story.ask(
        carry, call="the services restart; then come the first order, and StockReserved for the other",
        events=[created[0], *before["left"], facts[2]], weather={}, fresh_process=True,
    )  # fmt: skip
    states = {row["id"]: row["state"] for row in await story.rows(select(Order.id, Order.state))}
    wanted = {late.order_id: "FAILED_NO_STOCK", good.order_id: "APPROVED"}
    story.equal(states, wanted, "A service forgot by its restart what it had heard about an order.")
    mine = select(Customer.reserved).where(Customer.id == late.customer_id)
    reserved = (await story.rows(mine))[0]["reserved"]
    story.equal(reserved, refused.reserved, "Customers forgot by their restart that an order had failed.")
