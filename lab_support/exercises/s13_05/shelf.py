"""The shelf of Inventory as the judge fills it, counts it, and sends orders for it.

Section:
    13.5, "The inbox: repetitions do no harm"
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import Article, InventoryBase
from lab_support.exercises.story import Story
from lab_support.messaging import Event

OTHER: Final = "OTHER"
PLENTY: Final = 1_000_000


async def open_shelf(story: Story) -> tuple[str, int]:
    """Create the tables and one well-filled shelf; return its article and how many pieces lie there."""
    await story.create(InventoryBase.metadata)
    sku, pieces = f"SKU-{story.random.randint(10**4, 10**5)}", story.random.randint(5_000, 9_000)
    await story.write(insert(Article), [{"sku": sku, "on_hand": pieces}, {"sku": OTHER, "on_hand": PLENTY}])
    return sku, pieces


def order_created(story: Story, sku: str, quantity: int | None = None) -> tuple[dict[str, Any], int]:
    """Make the event of a new order; return it as JSON, and the pieces it asks for."""
    order_id, pieces = story.random.randint(10**5, 10**6), quantity or story.random.randint(2, 9)
    payload = {"order_id": order_id, "sku": sku, "quantity": pieces}
    event = Event(
        event_id=UUID(int=story.random.getrandbits(128), version=4),
        type="OrderCreated",
        aggregate_type="Order",
        aggregate_id=str(order_id),
        payload=payload,
    )
    return event.model_dump(mode="json"), pieces


async def on_hand(story: Story, sku: str) -> int:
    """Count the pieces of an article."""
    return int((await story.rows(select(Article.on_hand).where(Article.sku == sku)))[0]["on_hand"])


async def expect_on_hand(story: Story, sku: str, left: int, told: str) -> None:
    """Expect so many pieces of an article, and the other one untouched."""
    story.equal(await on_hand(story, sku), left, told)
    story.equal(await on_hand(story, OTHER), PLENTY, "Pieces of another article were taken.")


def inbox_row(event: dict[str, Any], consumer: str) -> dict[str, Any]:
    """Make the row by which a consumer notes an event."""
    parsed = Event.model_validate(event)
    return {
        "consumer": consumer,
        "event_id": parsed.event_id,
        "type": parsed.type,
        "received_at": utc_now(),
    }
