"""What the catalogue makes of orders: each counts once in every product that it names, however often it is heard."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from lab_support.database import SimulatedDeath
from lab_support.documents.types import Collection
from lab_support.messaging import Event
from lab_support.services.catalog import handlers
from lab_support.services.catalog.announcing_repository import AnnouncingCatalogRepository
from lab_support.services.catalog.handlers import PARKED, OrderCounter
from tests.services.catalog.talking import Dying, add_products


def ordered(*skus: str, **more: Any) -> Event:
    """Give the event of an order, with fields that the catalogue does not read."""
    items = [{"sku": sku, "quantity": 2} for sku in skus]
    payload = {"order_id": str(uuid4()), "customer_id": "ada", "items": items, "total": "1.00"} | more
    return Event(
        type="OrderCreated", aggregate_type="order", aggregate_id=str(payload["order_id"]), payload=payload
    )


async def counts(stored: Collection) -> dict[str, int]:
    return {one["sku"]: one.get("times_ordered", 0) async for one in stored.find({})}


@pytest.fixture
async def counter(stored: Collection) -> OrderCounter:
    await add_products(stored, 3)
    await stored.database[PARKED].delete_many({})
    return OrderCounter(stored)


async def test_order_counts_once_in_each_product_that_it_names(
    counter: OrderCounter, stored: Collection
) -> None:
    """Whatever comes again, and however many copies at once."""
    both, one = ordered("TEE-0", "TEE-1"), ordered("TEE-0")

    await asyncio.gather(*(counter(event) for event in (both, one, both, one, both)))
    await counter(both)

    assert await counts(stored) == {"TEE-0": 2, "TEE-1": 1, "TEE-2": 0}


async def test_product_that_an_order_names_twice_counts_once(
    counter: OrderCounter, stored: Collection
) -> None:
    await counter(ordered("TEE-0", "TEE-0"))

    assert (await counts(stored))["TEE-0"] == 1


async def test_product_that_the_catalogue_lacks_holds_nothing_up(
    counter: OrderCounter, stored: Collection
) -> None:
    """Orders may sell what was discontinued meanwhile."""
    gone = await stored.find_one({"sku": "TEE-1"})
    assert gone is not None
    await AnnouncingCatalogRepository(stored).delete(gone["_id"])

    await counter(ordered("NO-SUCH", "TEE-1", "TEE-2"))

    assert await counts(stored) == {"TEE-0": 0, "TEE-1": 0, "TEE-2": 1}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("message", [1, 2, 3])
async def test_death_between_two_products_is_made_good_by_the_next_delivery(
    counter: OrderCounter, stored: Collection, message: int, when: str
) -> None:
    """Those that were counted are not counted again, and the others are counted now."""
    event, dying = ordered("TEE-0", "TEE-1", "TEE-2"), Dying(stored, message, when)
    with pytest.raises(SimulatedDeath):
        await OrderCounter(dying)(event)  # type: ignore[arg-type]

    await counter(event)

    assert await counts(stored) == {"TEE-0": 1, "TEE-1": 1, "TEE-2": 1}


async def test_inbox_of_a_product_is_bounded(
    counter: OrderCounter, stored: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the ids heard last; the counter goes on."""
    monkeypatch.setattr(handlers, "MOST_REMEMBERED", 3)
    events = [ordered("TEE-0") for _ in range(5)]

    for event in events:
        await counter(event)

    document = await stored.find_one({"sku": "TEE-0"})
    assert document is not None
    assert document["inbox"] == [str(event.event_id) for event in events[-3:]]
    assert document["times_ordered"] == 5


async def test_counting_announces_nothing(counter: OrderCounter, stored: Collection) -> None:
    """The version of a product is what its owner changed; a reader's copy has no use for a counter."""
    before = await stored.find({}, {"outbox": 1}).sort("_id", 1).to_list(5)

    await counter(ordered("TEE-0"))

    assert await stored.find({}, {"outbox": 1}).sort("_id", 1).to_list(5) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": []},
        {"items": [{"sku": {"$ne": ""}, "quantity": 1}]},
        {"items": [{"sku": "TEE-0", "quantity": 0}]},
        {"items": [{"sku": "TEE-0", "quantity": 1}] * 51},
        {"order_id": "7"},
    ],
    ids=["no lines", "an operator", "no pieces", "too many lines", "no id"],
)
async def test_event_that_makes_no_sense_is_parked_once(
    counter: OrderCounter, stored: Collection, wrong: dict[str, Any]
) -> None:
    """It counts nowhere, and the bus may go on; whoever looks finds the event as it came."""
    event = ordered("TEE-0", **wrong)

    await asyncio.gather(counter(event), counter(event))

    (parked,) = await stored.database[PARKED].find({}).to_list(5)
    assert Event.model_validate_json(parked["event"]) == event
    assert "cannot be read" in parked["last_error"]
    assert set((await counts(stored)).values()) == {0}


async def test_event_of_a_later_version_is_parked(counter: OrderCounter, stored: Collection) -> None:
    await counter(ordered("TEE-0").model_copy(update={"version": 2}))

    (parked,) = await stored.database[PARKED].find({}).to_list(5)
    assert "Deploy a newer reader" in parked["last_error"]


async def test_other_events_of_orders_leave_no_trace(counter: OrderCounter, stored: Collection) -> None:
    await counter(ordered("TEE-0").model_copy(update={"type": "OrderApproved"}))

    assert await stored.database[PARKED].count_documents({}) == 0
    assert set((await counts(stored)).values()) == {0}
