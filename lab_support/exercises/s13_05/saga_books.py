"""The books of three services in 13.5.5: seeded for orders whose end is known before, and compared after it.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

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

NEITHER = "neither credit nor stock"
ENDS = {
    "all is well": ("APPROVED",),
    "no credit": ("FAILED_NO_CREDIT",),
    "no stock": ("FAILED_NO_STOCK",),
    NEITHER: ("FAILED_NO_CREDIT", "FAILED_NO_STOCK"),
}
HISTORY = (
    "CREATE TABLE order_history (seq INTEGER PRIMARY KEY, order_id INTEGER, before TEXT, after TEXT)",
    "CREATE TRIGGER keeps_history AFTER UPDATE OF state ON orders WHEN old.state <> new.state BEGIN "
    "INSERT INTO order_history (order_id, before, after) VALUES (old.id, old.state, new.state); END",
)


@dataclass(frozen=True, slots=True)
class Case:
    """An order with a customer and a product of its own, so that its end is known before."""

    kind: str
    order: OrderCreated
    reserved: Decimal
    available: int


def draw_case(draw: Random, kind: str) -> Case:
    """Draw an order of a kind: numbers, amounts, and what its customer and its product have."""
    order_id, customer_id = draw.randint(10**6, 10**8), draw.randint(10**3, 10**8)
    quantity, total = draw.randint(2, 9), Decimal(draw.randint(1_000, 9_000)) / 100
    order = OrderCreated(
        order_id=order_id, customer_id=customer_id, sku=f"S-{order_id}", quantity=quantity, total=total
    )
    return Case(kind, order, Decimal(draw.randint(10_000, 90_000)) / 100, draw.randint(20, 90))


async def seed_books(story: Story, cases: list[Case]) -> list[dict[str, Any]]:
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


async def open_books(story: Story) -> None:
    """Create the tables, and a history of the orders' states that the database itself writes."""
    await story.create(SagaBase.metadata)
    for statement in HISTORY:
        await story.write(statement)


def heard_by_service(heard: list[list[Any]], order_id: int) -> dict[str, str]:
    """Say for each service what it heard about an order, in order."""
    told: dict[str, list[str]] = {}
    for number, service, kind in heard:
        if number == order_id:
            told.setdefault(service, []).append(kind)
    return {service: f"{service} heard {', '.join(kinds)}" for service, kinds in told.items()}


async def judge(story: Story, case: Case, heard: dict[str, str]) -> None:
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


async def _too_much(story: Story, case: Case) -> tuple[Decimal, int]:
    """Return how much credit and how many pieces are taken beyond what was before the order; below 0 for less."""
    order = case.order
    reserved = await story.rows(select(Customer.reserved).where(Customer.id == order.customer_id))
    available = await story.rows(select(Stock.available).where(Stock.sku == order.sku))
    before = order.quantity - 1 if "stock" in case.kind else case.available
    return reserved[0]["reserved"] - case.reserved, before - available[0]["available"]


async def _judge_notes(story: Story, case: Case, state: str) -> None:
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
