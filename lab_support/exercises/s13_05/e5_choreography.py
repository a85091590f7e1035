"""13.5.5: the choreography, judged by the books of three services after reordered and repeated events."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_05.saga_courier import Courier, Weather
from lab_support.exercises.s13_05.saga_given import reserve_credit, reserve_stock
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    CreditReservation,
    Customer,
    Order,
    OrderCreated,
    OutboxMessage,
    SagaBase,
    Stock,
    StockReservation,
)
from lab_support.exercises.story import Story
from lab_support.messaging import Event

NEITHER = "neither credit nor stock"
ENDS = {
    "all is well": ("APPROVED",),
    "no credit": ("FAILED_NO_CREDIT",),
    "no stock": ("FAILED_NO_STOCK",),
    NEITHER: ("FAILED_NO_CREDIT", "FAILED_NO_STOCK"),
}
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

SHUFFLED = 2
"""How often the last of them comes, each time with another seed."""

HISTORY = (
    "CREATE TABLE order_history (seq INTEGER PRIMARY KEY, order_id INTEGER, before TEXT, after TEXT)",
    "CREATE TRIGGER keeps_history AFTER UPDATE OF state ON orders WHEN old.state <> new.state BEGIN "
    "INSERT INTO order_history (order_id, before, after) VALUES (old.id, old.state, new.state); END",
)

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
    return {"dead": courier.dead, "foreign": sorted(courier.foreign), "heard": courier.heard}


@dataclass(frozen=True, slots=True)
class _Case:
    """An order with a customer and a product of its own, so that its end is known before."""

    kind: str
    order: OrderCreated
    reserved: Decimal
    available: int


def _case(draw: Random, kind: str) -> _Case:
    order_id, customer_id = draw.randint(10**6, 10**8), draw.randint(10**3, 10**8)
    quantity, total = draw.randint(2, 9), Decimal(draw.randint(1_000, 9_000)) / 100
    order = OrderCreated(
        order_id=order_id, customer_id=customer_id, sku=f"S-{order_id}", quantity=quantity, total=total
    )
    return _Case(kind, order, Decimal(draw.randint(10_000, 90_000)) / 100, draw.randint(20, 90))


async def _seed(story: Story, cases: list[_Case]) -> list[dict[str, Any]]:
    """Write what the three services know before, and return the events of the new orders."""
    rows: dict[Any, list[dict[str, Any]]] = {Order: [], Customer: [], Stock: []}
    events = []
    for case in cases:
        order = case.order
        short = Decimal("0.01") if "credit" in case.kind else Decimal(0)
        limit = case.reserved + order.total - short
        pieces = order.quantity - 1 if "stock" in case.kind else case.available
        rows[Order].append({"id": order.order_id})
        rows[Customer].append({"id": order.customer_id, "credit_limit": limit, "reserved": case.reserved})
        rows[Stock].append({"sku": order.sku, "available": pieces})
        event = TYPES.event(order, aggregate_type="Orders", aggregate_id=order.order_id,
                            saga_id=UUID(int=story.random.getrandbits(128)))  # fmt: skip
        events.append(event.model_dump(mode="json"))
    for table, found in rows.items():
        await story.write(insert(table), found)
    return events


async def _open(story: Story) -> None:
    await story.create(SagaBase.metadata)
    for statement in HISTORY:
        await story.write(statement)


async def _run(story: Story, kinds: list[str], call: str, weather: dict[str, Any]) -> None:
    cases = [_case(story.random, kind) for kind in kinds]
    seed = str(story.random.getrandbits(32))
    answer = await story.ask(
        carry, call=call, events=await _seed(story, cases), weather={"seed": seed, **weather}
    )
    story.expect(not answer["foreign"], "A service used a table of another; it knows of others from events only.",
                 observed=", ".join(answer["foreign"]))  # fmt: skip
    for case in cases:
        await _judge(story, case, _heard(answer["heard"], case.order.order_id))
    story.expect(
        not answer["dead"], "An event was delivered again and again, and given up.", observed=answer["dead"]
    )


def _heard(heard: list[list[Any]], order_id: int) -> dict[str, str]:
    """Say for each service what it heard about an order, in order."""
    told: dict[str, list[str]] = {}
    for number, service, kind in heard:
        if number == order_id:
            told.setdefault(service, []).append(kind)
    return {service: f"{service} heard {', '.join(kinds)}" for service, kinds in told.items()}


async def _judge(story: Story, case: _Case, heard: dict[str, str]) -> None:
    """Expect one order to have ended once, and its credit and stock to be taken or to be back."""
    order, wanted = case.order, ENDS[case.kind]
    about = f"an order with {case.kind}" if case.kind != "all is well" else "an order that can be filled"
    state = (await story.rows(select(Order.state).where(Order.id == order.order_id)))[0]["state"]
    history = await story.rows(
        "SELECT before, after FROM order_history WHERE order_id = :id ORDER BY seq", id=order.order_id
    )
    path = " -> ".join(["PENDING", *(row["after"] for row in history)])
    changed = any(row["before"] != "PENDING" for row in history)
    credit, stock = await _too_much(story, case)
    story.saw(
        changed_after_end=changed,
        given_twice=credit < 0 or stock < 0,
        left_over=not changed
        and (state not in wanted or (state != "APPROVED" and (credit > 0 or stock > 0))),
    )
    observed = f"{path}; {heard.get('Orders')}"
    story.expect(
        not changed, f"The state of {about} changed after its end.", expected="one end", observed=observed
    )
    story.expect(
        state in wanted, f"That is not how {about} ends.", expected=" or ".join(wanted), observed=observed
    )
    taken = (order.total, order.quantity) if state == "APPROVED" else (Decimal(0), 0)
    story.expect(credit == taken[0], f"Credit is not conserved: the end of {about} is {state}.",
                 expected=f"{taken[0]} reserved for it", observed=f"{credit}; {heard.get('Customers')}")  # fmt: skip
    story.expect(stock == taken[1], f"Stock is not conserved: the end of {about} is {state}.",
                 expected=f"{taken[1]} pieces put aside", observed=f"{stock}; {heard.get('Inventory')}")  # fmt: skip
    await _judge_notes(story, case, state)


async def _too_much(story: Story, case: _Case) -> tuple[Decimal, int]:
    """Return how much credit and how many pieces are taken beyond what was before the order; below 0 for less."""
    order = case.order
    reserved = await story.rows(select(Customer.reserved).where(Customer.id == order.customer_id))
    available = await story.rows(select(Stock.available).where(Stock.sku == order.sku))
    before = order.quantity - 1 if "stock" in case.kind else case.available
    return reserved[0]["reserved"] - case.reserved, before - available[0]["available"]


async def _judge_notes(story: Story, case: _Case, state: str) -> None:
    """Expect the reservations to say what is true, and each release to be announced once."""
    order_id = case.order.order_id
    for table, reserved, released in (
        (CreditReservation, "CustomerCreditReserved", "CustomerCreditReleased"),
        (StockReservation, "StockReserved", "StockReleased"),
    ):
        rows = await story.rows(select(table.state).where(table.order_id == order_id))
        held = [row["state"] for row in rows] == ["RESERVED"]
        story.expect(held == (state == "APPROVED"), f"The row in {table.__tablename__} says something else than the "
                     "order's end.", expected=state, observed=rows)  # fmt: skip
        told = [row["type"] for row in await story.rows(
            select(OutboxMessage.type).where(OutboxMessage.aggregateid == str(order_id))
        )]  # fmt: skip
        wanted = told.count(reserved) if state != "APPROVED" else 0
        story.equal(
            told.count(released), wanted, f"{released} was not announced once for what was given back."
        )


@choreography.scenario("in order and told once, each order ends as it must")
async def calm(story: Story) -> None:
    await _open(story)
    await _run(
        story, ["all is well", "no credit", "no stock"], "three orders; each event comes once, in order", {}
    )
    story.saw(calm_is_right=True)


@choreography.scenario(
    "whatever overtakes or repeats, credit and stock are conserved and an end is final", points=4
)
async def storms(story: Story) -> None:
    await _open(story)
    for told, weather, more in (*STORMS[:-1], *[STORMS[-1]] * SHUFFLED):
        kinds = [*ENDS, *more]
        story.random.shuffle(kinds)
        await _run(story, kinds, f"{len(kinds)} orders with their events: {told}", weather)
