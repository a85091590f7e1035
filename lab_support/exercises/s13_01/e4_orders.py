"""13.1.4: orders with their items in at most two statements, judged by counting them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import event, insert

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story
from lab_support.services.store.entities import Order, OrderItem, Product, StoreBase

orders = Exercise(
    id="13.1.4",
    title="Orders with their items",
    task="Return a customer's orders with their items loaded, in at most two statements however many there are.",
    student_writes=("orders_of",),
    witness="measured",
    hints=(
        "Trace your function for ten orders. Which statement comes once per order?",
        "`selectinload(Order.items)` adds one statement for all items; a join needs `.unique()`; the customer "
        "belongs into WHERE.",
        "query = select(Order).where(Order.customer_email == email).options(selectinload(Order.items))\n"
        "return list(await session.scalars(query.order_by(Order.id)))",
    ),
    misconceptions=(
        Misconception(
            "lazy-loop",
            "You believe that reading `order.items` is free. It is one more statement for every order (N+1): ask for "
            "all items at once with selectinload.",
            lambda seen: (seen.statements_for_10 or 0) > 10 or "MissingGreenlet" in (seen.errors or ()),
        ),
        Misconception(
            "joinedload-duplicates",
            "You believe that a join returns one row per order. It returns one per item: call `.unique()` on the "
            "result, or load the items with selectinload.",
            lambda seen: seen.duplicates or any("unique()" in text for text in seen.error_texts or ()),
        ),
        Misconception(
            "loads-everything-then-filters",
            "You believe that Python may choose among the rows. Every order of every customer crossed the wire to be "
            "thrown away: put the customer into WHERE.",
            lambda seen: (seen.loaded_in_vain or 0) > 0,
        ),
    ),
)


@orders.act
async def list_orders(attempt: Attempt, email: str) -> dict[str, Any]:
    """Call the student's function and read what it returned after the session is closed."""
    loaded: list[Order] = []
    async with attempt.sessions() as session:
        event.listen(session.sync_session, "loaded_as_persistent", lambda _, one: loaded.append(one))
        found = list(await attempt.the("orders_of")(session, email))
    lines = [[order.id, sorted([item.product_id, item.quantity] for item in order.items)] for order in found]
    return {"orders": lines, "loaded": sum(isinstance(one, Order) for one in loaded)}


async def seed_orders(story: Story, email: str, number: int) -> list[list[Any]]:
    """Seed orders of one to three items each, and return them as `[order id, [[product id, quantity], …]]`."""
    draw = story.random
    seeded: list[list[Any]] = []
    first = draw.randint(1, 500) * 1_000
    for order_id in range(first, first + number):
        lines_of = [[draw.randint(1, 9), draw.randint(1, 20)] for _ in range(draw.randint(1, 3))]
        seeded.append([order_id, sorted(lines_of)])
    await story.write(insert(Order), [{"id": one[0], "customer_email": email} for one in seeded])
    rows = [
        {"order_id": one[0], "product_id": line[0], "quantity": line[1], "unit_price": Decimal("1.50")}
        for one in seeded
        for line in one[1]
    ]
    await story.write(insert(OrderItem), rows)
    return seeded


@orders.scenario("1, 10 and 100 orders take at most two statements each", points=2)
async def statements_stay_flat(story: Story) -> None:
    await story.create(StoreBase.metadata)
    products = [
        {"id": number, "name": f"p{number}", "price": Decimal(2), "stock": 9} for number in range(1, 10)
    ]
    await story.write(insert(Product), products)
    await seed_orders(story, "somebody@else.example", 20)
    for number in (1, 10, 100):
        email = f"c{story.random.randint(1, 10**6)}@shop.example"
        seeded = await seed_orders(story, email, number)
        answer = await story.ask(
            list_orders, call=f"orders_of(session, …) for a customer with {number} orders", email=email
        )
        found = answer["orders"]
        ids = [one[0] for one in found]
        facts = {"duplicates": len(ids) > len(set(ids)), "loaded_in_vain": answer["loaded"] - len(set(ids))}
        story.saw(**facts, **{f"statements_for_{number}": answer.statements})
        story.expect(
            not facts["duplicates"], "An order appears more than once.", expected=number, observed=len(ids)
        )
        story.equal(sorted(found), seeded, "These are not the customer's orders with their items.")
        story.expect(facts["loaded_in_vain"] <= 0, "Orders of other customers were loaded and thrown away.",
                     expected=f"{number} orders loaded", observed=f"{answer['loaded']} loaded")  # fmt: skip
        story.expect(answer.statements <= 2, f"{number} orders take too many statements.",
                     expected="at most 2", observed=answer.statements)  # fmt: skip


@orders.scenario("a customer without orders gets an empty list")
async def nobody(story: Story) -> None:
    await story.create(StoreBase.metadata)
    answer = await story.ask(
        list_orders, call="orders_of(session, …) for a stranger", email="nobody@shop.example"
    )
    story.equal(answer["orders"], [], "A stranger has orders.")
