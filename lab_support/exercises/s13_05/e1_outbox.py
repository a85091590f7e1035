"""13.5.1: state and event together, judged by both tables after the process ended at each of its moments."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import select

from lab_support.database import SimulatedDeath
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_05.deaths import MOST_MOMENTS, life_on, writers
from lab_support.exercises.s13_05.recorded_bus import RecordedBus
from lab_support.exercises.s13_05.shop import Order, OrdersBase, OutboxMessage
from lab_support.exercises.story import Answer, Story
from lab_support.messaging import event_of

BY_HAND = "An event was published by hand, and the relay will publish it again."

outbox = Exercise(
    id="13.5.1",
    title="State and event together",
    task="Store an order and the event that tells of it, so that no crash keeps the one without the other.",
    student_writes=("place_order",),
    witness="rows",
    hints=(
        "Two writes, and the process may end between them. Which single step of a database keeps two rows at once? "
        "And when does the order get its id?",
        "`async with unit_of_work(sessions, OutboxMessage) as uow`: add the order to `uow.session`, flush, announce "
        "an Event, commit. A row of OutboxMessage that you add yourself does it too. The relay publishes it later.",
        'await uow.flush()  # now order.id is known\nuow.announce(Event(type="OrderCreated", aggregate_type="Order",\n'
        "    aggregate_id=str(order.id), payload={...}))\nawait uow.commit()",
    ),
    misconceptions=(
        Misconception(
            "publishes-directly",
            "You believe that an event has to go out at once. A commit and a publication are two steps, and whatever "
            "comes between them loses one or invents one: store the event, and let the relay publish it.",
            lambda seen: (seen.published or 0) > 0,
        ),
        Misconception(
            "second-transaction",
            "You believe that two commits one after the other are as good as one. The process ended between them, and "
            "one table knows what the other does not: write both rows before a single commit.",
            lambda seen: seen.agree_when_calm and seen.one_without_other and seen.published == 0,
        ),
        Misconception(
            "id-before-flush",
            "You believe that an order has its id when it is made. The database gives it at the INSERT, and your "
            "event was written before: flush first, then make the event.",
            lambda seen: seen.event_without_id,
        ),
    ),
)


@outbox.act
async def place(attempt: Attempt, customer_id: str, total: str, ends_at: int = 0, broker: bool = True) -> Any:
    """Place one order, by a process that ends at a moment, or beside a broker that cannot be reached."""
    error = order_id = None
    with life_on(attempt.engine, ends_at) as life:
        bus = RecordedBus(life, room=None if broker else 0)
        try:
            order_id = await attempt.the("place_order")(writers(attempt), bus, customer_id, Decimal(total))
            await asyncio.sleep(0)  # a task that publishes in the background has its turn
        except (SimulatedDeath, Exception) as raised:
            error = type(raised).__name__
            if not life.over:
                raise
    return {"id": order_id, "error": error, "moments": life.moments, "published": bus.batches}


Told = tuple[str, str, str]
"""An order as its row and its event tell it: id, customer, total."""


async def _orders(story: Story) -> set[Told]:
    return {
        (str(row["id"]), row["customer_id"], f"{row['total']:.2f}")
        for row in await story.rows(select(Order.id, Order.customer_id, Order.total))
    }


async def _events(story: Story) -> list[Told]:
    """Read the outbox as a relay and a consumer would.

    Raises:
        ValueError: A row is no event.
    """
    async with story.engine.connect() as connection:
        rows = (await connection.execute(select(OutboxMessage.__table__).order_by(OutboxMessage.seq))).all()
    return [_told(event_of(row)) for row in rows]


def _told(event: Any) -> Told:
    try:
        amount = f"{Decimal(event.payload['total']):.2f}"
    except (KeyError, TypeError, InvalidOperation):
        amount = "no amount"
    numbers = {event.aggregate_id, str(event.payload.get("order_id"))}
    number = numbers.pop() if len(numbers) == 1 else "two different ids"
    return number, str(event.payload.get("customer_id")), amount


def _customer(story: Story) -> str:
    return f"c{story.random.randint(10**5, 10**6)}"


def _amount(story: Story) -> str:
    return f"{story.random.randint(100, 99_999) / 100:.2f}"


async def _place(story: Story, call: str, **inputs: Any) -> tuple[Answer, dict[str, str]]:
    """Place an order of a new customer; note what the bus got."""
    order = {"customer_id": _customer(story), "total": _amount(story)}
    answer = await story.ask(place, call=call, **{**order, **inputs})
    story.saw(published=(story.seen.published or 0) + (answer["published"] if answer.error is None else 0))
    return answer, order


async def _both_tables_agree(story: Story, told: str) -> set[Told]:
    """Expect as many events as orders, each telling what its row holds; return the orders."""
    orders, events = await _orders(story), await _events(story)
    story.saw(
        one_without_other=story.seen.one_without_other or len(orders) != len(events),
        event_without_id=story.seen.event_without_id or any(event[0] == "None" for event in events),
    )
    story.expect(
        len(orders) == len(events), f"{told}, and orders and events do not agree.",
        expected="an event for each order, and no other", observed=f"{len(orders)} orders, events {events}",
    )  # fmt: skip
    story.expect(
        set(events) == orders, "An event does not tell what the order's row holds.",
        expected=sorted(orders), observed=sorted(events),
    )  # fmt: skip
    return orders


@outbox.scenario("an order and its event are both stored, and nothing else is sent")
async def calm(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    for count in (1, 2):
        answer, order = await _place(story, "an order")
        orders = await _both_tables_agree(story, "One order was placed")
        story.equal(len(orders), count, "The order is not in the table.")
        wanted = (str(answer["id"]), order["customer_id"], order["total"])
        story.expect(wanted in orders, "The order in the table is another.", expected=wanted, observed=orders)
        story.equal(answer["published"], 0, BY_HAND)
    await _is_ready_for_a_relay(story)
    story.saw(agree_when_calm=True)


async def _is_ready_for_a_relay(story: Story) -> None:
    columns = ("type", "aggregatetype", "topic", "published_at", "parked_at", "claimed_until")
    wanted = {"type": "OrderCreated", "aggregatetype": "Order", "topic": "Order"}
    for row in await story.rows(select(*(OutboxMessage.__table__.c[name] for name in columns))):
        seen = {name: value for name, value in row.items() if value is not None}
        story.equal(
            seen, wanted, "The row in the outbox is not one that a relay will publish for others to find."
        )
    totals = [row["payload"].get("total") for row in await story.rows(select(OutboxMessage.payload))]
    story.expect(all(isinstance(one, str) for one in totals), "Money in an event is text, so that no cent is lost.",
                 expected="total as a string", observed=totals)  # fmt: skip


@outbox.scenario("a process that ends at any moment leaves both or neither", points=3)
async def ends_anywhere(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    answer, _ = await _place(story, "an order")
    before = await _both_tables_agree(story, "One order was placed")
    for number, what in enumerate(answer["moments"][:MOST_MOMENTS], 1):
        answer, order = await _place(story, f"an order by a process that ends {what}", ends_at=number)
        now = await _both_tables_agree(story, f"The process ended {what}")
        new = {(one[1], one[2]) for one in now - before}
        story.expect(
            new <= {(order["customer_id"], order["total"])}, "Another order was stored.", observed=new
        )
        story.equal(answer["published"], 0, BY_HAND)
        story.expect(new or answer["error"], "The caller was told of an order that is not there.")
        before = now


@outbox.scenario("an order is taken while the broker is away")
async def broker_away(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    answer, _ = await _place(
        story, "an order, while the broker cannot be reached", may_fail=True, broker=False
    )
    error = answer.error.text if answer.error else ""
    story.expect(not error, "While the broker is away the shop takes no order.", observed=error)
    orders = await _both_tables_agree(story, "The broker is away")
    story.equal({one[0] for one in orders}, {str(answer["id"])}, "The order is not in the table.")


@outbox.scenario("an order that the database refuses leaves no event")
async def refused(story: Story) -> None:
    await story.create(OrdersBase.metadata)
    await _place(story, "an order")
    before = await _both_tables_agree(story, "One order was placed")
    answer = await story.ask(
        place, call="an order of -1.00, which the table refuses", may_fail=True,
        customer_id=_customer(story), total="-1.00",
    )  # fmt: skip
    story.equal(await _both_tables_agree(story, "The order was refused"), before, "Something of it is left.")
    story.expect(answer.error is not None, "The caller was not told that the order was refused.")
