"""The price list follows the catalogue's events: in any sequence, however often, and it never goes back."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import trace_sql
from lab_support.messaging import Consumer, Event
from lab_support.services.orders import events as e
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import InboxMessage, OutboxMessage, Price
from lab_support.services.orders.errors import UnknownSkuError
from lab_support.services.orders.prices import HEARD, NAME, TOPIC, keep_price
from lab_support.services.orders.repository import PriceRepository
from tests.services.orders.taking_orders import NOON, Sessions, lines

only_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
PRODUCT = "0123456789abcdef01234567"
KINDS = {"added": e.ProductAdded, "price": e.ProductPriceChanged, "changed": e.ProductChanged}


@pytest.fixture
async def hears(sessions: Sessions) -> Consumer:
    """Give what the bus would call, on an empty price list."""
    async with sessions() as session, session.begin():
        await session.execute(delete(Price))
    return Consumer(
        name=NAME, sessions=sessions, inbox=InboxMessage, outbox=OutboxMessage, types=HEARD, effect=keep_price
    )


def said(kind: str, version: int, price: str = "24.90", **more: Any) -> Event:
    """Give an event as the catalogue sends it; each version a second after the one before."""
    product = {"product_id": PRODUCT, "version": version, "sku": "NEW-1", "name": f"v{version}"} | more
    payload = (
        e.ProductDiscontinued.model_validate(product)
        if kind == "gone"
        else KINDS[kind].model_validate(product | {"price": price})
    )
    moment = NOON + timedelta(seconds=version)
    return e.EVENTS.event(
        payload, aggregate_type=TOPIC, aggregate_id=product["product_id"], occurred_at=moment
    )


async def the_list(sessions: Sessions) -> dict[str, tuple[str, str]]:
    async with sessions() as session:
        return {one.sku: (one.name, str(one.unit_price)) for one in await PriceRepository(session).all()}


async def test_price_is_that_of_the_newest_version_in_any_sequence(
    hears: Consumer, sessions: Sessions
) -> None:
    """Each event carries all that Orders needs, so none waits for another."""
    story = [said("added", 1), said("price", 2, "19.90"), said("changed", 3, "19.90")]
    for number, sequence in enumerate(itertools.permutations(story)):
        own = f"{number:024x}"
        for event in sequence:
            payload = event.payload | {"product_id": own, "sku": f"SKU-{number}"}
            await hears(event.model_copy(update={"event_id": uuid4(), "payload": payload}))

    assert set((await the_list(sessions)).values()) == {("v3", "19.90")}
    assert len(await the_list(sessions)) == 6


@only_sqlite
async def test_discontinued_product_can_no_longer_be_ordered(
    hears: Consumer, desk: Desk, sessions: Sessions
) -> None:
    await hears(said("added", 1))
    accepted = await desk.orders.place_order("ada", "credit", lines(("NEW-1", 2)))
    await hears(said("gone", 2))

    assert accepted.total == Decimal("49.80")
    assert await the_list(sessions) == {}
    with pytest.raises(UnknownSkuError):
        await desk.orders.place_order("ada", "credit", lines(("NEW-1", 2)))


@only_sqlite
async def test_event_that_comes_after_the_end_does_not_bring_a_product_back(
    hears: Consumer, sessions: Sessions
) -> None:
    """Even when Orders had never heard of the product before its end."""
    for event in (said("gone", 3), said("price", 2), said("added", 1)):
        await hears(event)

    assert await the_list(sessions) == {}


@only_sqlite
async def test_repetition_costs_one_statement_and_changes_nothing(
    hears: Consumer, sessions: Sessions, engine: AsyncEngine
) -> None:
    event = said("added", 1)
    await hears(event)

    with trace_sql(engine) as trace:
        await hears(event)

    assert len(trace.statements) == 1
    assert await the_list(sessions) == {"NEW-1": ("v1", "24.90")}


@only_sqlite
async def test_product_with_a_new_sku_leaves_the_old_one(hears: Consumer, sessions: Sessions) -> None:
    await hears(said("added", 1))
    await hears(said("changed", 2, sku="NEW-2"))

    assert await the_list(sessions) == {"NEW-2": ("v2", "24.90")}


@only_sqlite
async def test_sku_that_passes_to_another_product_has_the_price_said_last(
    hears: Consumer, sessions: Sessions
) -> None:
    """The events of two products come in any sequence, and for a moment both have the sku."""
    other = said("added", 9, "5.00", product_id="f" * 24)
    for event in (other, said("added", 1)):
        await hears(event)

    async with sessions() as session:
        prices = await PriceRepository(session).of(["NEW-1"])
    assert str(prices["NEW-1"].unit_price) == "5.00"


@only_sqlite
@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "-1.00"},
        {"price": "1.001"},
        {"version": 0},
        {"version": 2**31},
        {"sku": "'; DROP TABLE prices"},
        {"sku": "A" * 65},
        {"name": "x" * 201},
        {"name": "\x00"},
        {"product_id": "7"},
    ],
    ids=str,
)
async def test_event_that_makes_no_sense_is_parked(
    hears: Consumer, sessions: Sessions, wrong: dict[str, Any]
) -> None:
    """It changes nothing, and the bus may go on."""
    good = said("added", 1)

    await hears(good.model_copy(update={"payload": good.payload | wrong}))

    assert await the_list(sessions) == {}
    async with sessions() as session:
        parked = select(func.count()).where(InboxMessage.parked_at.is_not(None))
        assert await session.scalar(parked) == 1
