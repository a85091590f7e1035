"""13.5.4: Customers reserve credit, judged by rows, events, and what is left when somebody else comes between."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from lab_support.database import SimulatedDeath, fault
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    CreditReservation,
    Customer,
    InboxMessage,
    OrderCreated,
    OutboxMessage,
    SagaBase,
    sessions_on,
)
from lab_support.exercises.story import Answer, Story
from lab_support.messaging import Consumer, Event

RESERVED, EXCEEDED = "CustomerCreditReserved", "CustomerCreditLimitExceeded"
MOST_STATEMENTS = 12
CENT = Decimal("0.01")

reserve_credit = Exercise(
    id="13.5.4",
    title="Reserve credit",
    task="Answer an OrderCreated: reserve credit or refuse it, and announce which, in one transaction.",
    student_writes=("reserve_credit",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "The order waits for one of two answers. What does it hear when there is too little credit? And what have "
        "other orders reserved between your SELECT and your UPDATE?",
        "`session.get(Customer, ..., with_for_update=True)` keeps the others waiting until the commit. "
        "Stay with Decimal. `uow.announce(...)` stores the event with the rows; the consumer commits.",
        "enough = customer is not None and customer.credit_limit - customer.reserved >= order.total\n"
        "answer = CustomerCreditReserved if enough else CustomerCreditLimitExceeded\n"
        "uow.announce(TYPES.event(answer(...), aggregate_type='Customer', aggregate_id=..., cause=event))",
    ),
    misconceptions=(
        Misconception(
            "no-event-on-refusal",
            "You believe that there is nothing to tell when nothing was reserved. The order hears neither yes nor "
            "no and stays PENDING for ever: a refusal is a fact, so announce it.",
            lambda seen: seen.reserves_when_calm and seen.silent_refusal,
        ),
        Misconception(
            "negative-credit",
            "You believe that there is as much credit as you have read. Others reserve too, and now more is "
            "reserved than the limit: lock the row before you compare, or let the UPDATE compare.",
            lambda seen: seen.over_limit,
        ),
        Misconception(
            "float",
            "You believe that a float can hold cents. 0.30 - 0.10 is less than 0.20 in binary fractions, so an "
            "order that fits exactly was refused: stay with Decimal to the end.",
            lambda seen: seen.whole_amounts_fit and seen.refused_exact_cents and not seen.over_limit,
        ),
    ),
)


@reserve_credit.act
async def hear(attempt: Attempt, events: list[dict[str, Any]], die: int | str = 0) -> dict[str, Any]:
    """Deliver events to the consumer whose effect the student wrote; `die` after so many statements, or "at commit"."""
    consumer = Consumer(
        name="customers", sessions=sessions_on(attempt.engine), inbox=InboxMessage, outbox=OutboxMessage,
        types=TYPES, effect=attempt.the("reserve_credit"),
    )  # fmt: skip
    if not die:
        for event in events:
            await consumer(Event.model_validate(event))
        return {"died": False}
    place: dict[str, Any] = {"at_commit": True} if die == "at commit" else {"after_statement": die}
    with fault(attempt.engine, how="die", **place) as death:
        try:
            for event in events:
                await consumer(Event.model_validate(event))
        except SimulatedDeath:
            pass
    return {"died": death.reached}


def _order(story: Story, customer_id: int, total: Decimal) -> Event:
    """Make the event of a new order."""
    draw = story.random
    payload = OrderCreated(order_id=draw.randint(10**6, 10**8), customer_id=customer_id, total=total)
    return TYPES.event(
        payload,
        aggregate_type="Order",
        aggregate_id=payload.order_id,
        saga_id=UUID(int=draw.getrandbits(128)),
    )


async def _customer(story: Story, limit: Decimal) -> int:
    customer_id = story.random.randint(1_000, 900_000)
    await story.write(insert(Customer), [{"id": customer_id, "credit_limit": limit}])
    return customer_id


async def _books(story: Story, customer_id: int) -> dict[str, Any]:
    """Read what is reserved for a customer: in the column, in the rows, and what was announced."""
    customer = (await story.rows(select(Customer.reserved).where(Customer.id == customer_id)))[0]
    mine = CreditReservation.customer_id == customer_id, CreditReservation.state == "RESERVED"
    rows = await story.rows(select(CreditReservation.order_id, CreditReservation.amount).where(*mine))
    events = await story.rows(
        select(OutboxMessage.type, OutboxMessage.payload, OutboxMessage.headers).order_by(OutboxMessage.seq)
    )
    return {
        "reserved": customer["reserved"],
        "rows": {row["order_id"]: row["amount"] for row in rows},
        "events": events,
    }


def _answers(books: dict[str, Any], order: Event) -> list[dict[str, Any]]:
    """Return what was announced about an order."""
    wanted = order.payload["order_id"]
    return [one for one in books["events"] if one["payload"].get("order_id") == wanted]


async def _tell(story: Story, limit: Decimal, orders: list[Event], call: str) -> Answer:
    answer = await story.ask(hear, call=call, events=[one.model_dump(mode="json") for one in orders])
    customer_id = int(str(orders[0].payload["customer_id"]))
    books = await _books(story, customer_id)
    over = sum(books["rows"].values(), Decimal(0)) > limit
    story.saw(over_limit=story.seen.over_limit or over)
    story.expect(not over, "More credit is reserved than the customer has.",
                 expected=f"at most {limit}", observed=sum(books["rows"].values()))  # fmt: skip
    return answer


async def _expect(story: Story, order: Event, *, fits: bool) -> None:
    """Expect an order to have been answered: its reservation or none, and one event of the right kind."""
    customer_id, order_id = int(str(order.payload["customer_id"])), order.payload["order_id"]
    total = Decimal(str(order.payload["total"]))
    books = await _books(story, customer_id)
    answers, row = _answers(books, order), books["rows"].get(order_id)
    kinds = [one["type"] for one in answers]
    if fits:
        story.equal(row, total, "The order fits into the limit, and its credit is not reserved.")
    else:
        story.expect(row is None, "The order does not fit, and its credit is reserved.", observed=row)
        story.saw(silent_refusal=not kinds)
    story.equal(
        kinds, [RESERVED if fits else EXCEEDED], "The order did not hear the one answer it waits for."
    )
    story.equal(
        books["reserved"],
        sum(books["rows"].values(), Decimal(0)),
        "Customer.reserved is not what the rows say.",
    )
    await _expect_answer(story, order, answers[0], total)


async def _expect_answer(story: Story, order: Event, answer: dict[str, Any], total: Decimal) -> None:
    """Expect the event to name customer, amount, saga and cause."""
    told = answer["payload"]
    story.equal(told.get("customer_id"), order.payload["customer_id"], "The event names another customer.")
    story.equal(Decimal(str(told.get("amount"))), total, "The event's amount is not the order's total.")
    known = {"saga_id": str(order.saga_id), "causation_id": str(order.event_id)}
    story.equal({name: answer["headers"].get(name) for name in known}, known,
                "The event does not say which saga it belongs to, and which event was its cause.")  # fmt: skip


@reserve_credit.scenario(
    "credit is reserved while there is enough, to the last cent, and each order is answered"
)
async def calm(story: Story) -> None:
    await story.create(SagaBase.metadata)
    first, second = Decimal(story.random.randint(20, 90)), Decimal(story.random.randint(20, 90))
    limit = first + second
    customer_id = await _customer(story, limit)
    for total, fits, name in (
        (first, True, "fits"),
        (limit, False, "does not fit"),
        (second, True, "fits exactly"),
    ):
        order = _order(story, customer_id, total)
        await _tell(story, limit, [order], f"limit {limit}: an order of {total} that {name}")
        await _expect(story, order, fits=fits)
        story.saw(reserves_when_calm=True)
    story.saw(whole_amounts_fit=True)


@reserve_credit.scenario("a customer whom nobody knows has no credit")
async def unknown_customer(story: Story) -> None:
    await story.create(SagaBase.metadata)
    customer_id = await _customer(story, Decimal(500))
    order = _order(story, customer_id + 1, Decimal(10))
    await story.ask(hear, call="an order of an unknown customer", events=[order.model_dump(mode="json")])
    events = await story.rows(select(OutboxMessage.type))
    story.equal(
        [one["type"] for one in events], [EXCEEDED], "The order did not hear the one answer it waits for."
    )


@reserve_credit.scenario("reservation and answer are kept together, wherever the process dies", points=2)
async def dies(story: Story) -> None:
    await story.create(SagaBase.metadata)
    limit = Decimal(900)
    customer_id = await _customer(story, limit)
    for place in (*range(1, MOST_STATEMENTS), "at commit"):
        order = _order(story, customer_id, Decimal(story.random.randint(1, 20)))
        event = order.model_dump(mode="json")
        where = place if place == "at commit" else f"after statement {place}"
        answer = await story.ask(hear, call=f"an order; the process dies {where}", events=[event], die=place)
        books = await _books(story, customer_id)
        reserved, answered = order.payload["order_id"] in books["rows"], bool(_answers(books, order))
        story.expect(reserved == answered, f"The process died {where}, and half is left.",
                     expected="reservation and event, or neither",
                     observed="only a reservation" if reserved else "only an event")  # fmt: skip
        await story.ask(hear, call=f"an order; the process dies {where}; delivered again", events=[event])
        await _expect(story, order, fits=True)
        if not answer["died"]:
            return


@reserve_credit.scenario(
    "what somebody else reserves in between is not reserved twice", on="postgresql", points=2
)
async def rival_in_between(story: Story) -> None:
    await story.create(SagaBase.metadata)
    ours, theirs = Decimal(story.random.randint(51, 90)), Decimal(story.random.randint(51, 90))
    limit = Decimal(100)
    customer_id = await _customer(story, limit)
    order, other = _order(story, customer_id, ours), story.random.randint(1, 9_999)

    async def rival(connection: Any) -> None:
        mine = Customer.id == customer_id, Customer.credit_limit - Customer.reserved >= theirs
        await connection.execute(update(Customer).where(*mine).values(reserved=Customer.reserved + theirs))
        row = {"order_id": other, "customer_id": customer_id, "amount": theirs}
        await connection.execute(insert(CreditReservation).values(row))

    answer = await story.ask(
        hear, call=f"limit {limit}: an order of {ours}; somebody else reserves {theirs} before your first change",
        rival=rival, rival_before=r'\s*(UPDATE\s+"?customers|INSERT INTO "?credit_reservations)\b',
        events=[order.model_dump(mode="json")],
    )  # fmt: skip
    came = answer.rival == "came between"
    rows = (await _books(story, customer_id))["rows"]
    over = sum(rows.values(), Decimal(0)) > limit
    story.saw(over_limit=story.seen.over_limit or over)
    story.expect(not over, "Somebody else reserved in between, and more is reserved than the customer has.",
                 expected=f"at most {limit}", observed=sum(rows.values()))  # fmt: skip
    await _expect(story, order, fits=not came)


def _cents_that_floats_miss(story: Story) -> tuple[Decimal, Decimal]:
    """Draw two amounts that fill their sum exactly, and not in binary fractions, added or subtracted."""
    while True:
        one, two = (Decimal(story.random.randint(1, 999)) / 100 for _ in range(2))
        limit = float(one + two)
        if float(one) + float(two) > limit and limit - float(one) < float(two):
            return one, two


@reserve_credit.scenario("cents are exact: credit can be used up, and not a cent more", on="postgresql")
async def cents(story: Story) -> None:
    await story.create(SagaBase.metadata)
    for one, two in (_cents_that_floats_miss(story) for _ in range(4)):
        limit = one + two
        customer_id = await _customer(story, limit)
        orders = [_order(story, customer_id, total) for total in (one, two, CENT)]
        await _tell(story, limit, orders, f"limit {limit}: orders of {one}, {two} and {CENT}")
        books = await _books(story, customer_id)
        fitted = [order.payload["order_id"] in books["rows"] for order in orders]
        story.saw(refused_exact_cents=not fitted[1])
        story.expect(fitted[1], "An order that fits to the cent was refused.",
                     expected=f"{two} of {limit - one} reserved", observed=books["reserved"])  # fmt: skip
        for order, fits in zip(orders, (True, True, False), strict=True):
            await _expect(story, order, fits=fits)
