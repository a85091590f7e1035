"""Products, reservations and reviews as the judge of 13.6.3 seeds and reads them.

Section:
    13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from lab_support.exercises.s13_06.deliveries import announced, event_about, is_event, new_id
from lab_support.exercises.s13_06.events import OrderFailed
from lab_support.exercises.s13_06.shop import Reservation, Review, Stock
from lab_support.exercises.story import Story

Held = dict[str, int]


async def reserved(story: Story, products: int) -> tuple[str, Held, dict[str, int]]:
    """Seed products and an order that holds pieces of each; return the order, what it holds, and what is free."""
    draw, order_id = story.random, new_id(story.random)
    shelf = [
        {"sku": f"SKU-{number}", "free": draw.randint(5, 40), "stocktake": draw.randint(1, 9)}
        for number in draw.sample(range(10_000, 90_000), products)
    ]
    await story.write(insert(Stock), shelf)
    held = {str(one["sku"]): draw.randint(1, 4) for one in shelf}
    rows = [
        {
            "order_id": order_id,
            "sku": one["sku"],
            "units": held[str(one["sku"])],
            "stocktake": one["stocktake"],
            "state": "HELD",
        }
        for one in shelf
    ]
    await story.write(insert(Reservation), rows)
    return order_id, held, {str(one["sku"]): int(str(one["free"])) for one in shelf}


def order_failed(story: Story, order_id: str) -> dict[str, Any]:
    """Make the event that an order has failed."""
    return event_about(story.random, order_id, OrderFailed(reason="PAYMENT_DECLINED", amount=Decimal(9)))


async def free_pieces(story: Story) -> dict[str, int]:
    """Read the free pieces of every product."""
    return {row["sku"]: row["free"] for row in await story.rows(select(Stock.sku, Stock.free))}


async def reservation_states(story: Story, order_id: str) -> dict[str, str]:
    """Read what became of an order's reservations, by sku."""
    query = select(Reservation.sku, Reservation.state).where(Reservation.order_id == order_id)
    return {row["sku"]: row["state"] for row in await story.rows(query)}


async def reviews_of(story: Story, order_id: str) -> list[dict[str, Any]]:
    """Read the reviews of an order, oldest first."""
    query = select(Review.about, Review.state, Review.reason, Review.event).order_by(Review.id)
    return await story.rows(query.where(Review.order_id == order_id))


async def released_lines(story: Story, order_id: str) -> Held:
    """Read what the outbox says was released; a sku told twice counts twice."""
    told: Held = {}
    for event in await announced(story, order_id, "StockReleased"):
        for line in event["payload"]["lines"]:
            told[line["sku"]] = told.get(line["sku"], 0) + line["quantity"]
    return told


async def expect_review(story: Story, order_id: str, sku: str, failed: dict[str, Any], why: str) -> None:
    """Expect one review, of that product, with the event in it, and the reservation marked."""
    reviews = await reviews_of(story, order_id)
    found = [(one["about"], one["state"]) for one in reviews]
    story.expect(found == [(sku, "REQUIRES_REVIEW")], f"{why}, and there is not one review of it.",
                 expected=[(sku, "REQUIRES_REVIEW")], observed=found)  # fmt: skip
    kept = reviews[0]["event"]
    story.expect(
        is_event(kept, failed),
        "The review does not hold the event, so nobody can take it up again.",
        observed=kept,
    )
    story.expect(reviews[0]["reason"], "The review gives no reason.")
    story.equal(
        (await reservation_states(story, order_id))[sku],
        "REQUIRES_REVIEW",
        "The reservation has another state.",
    )
