"""Many at once: one key takes one order, one event ends an order, and everybody gets an answer."""

import asyncio

import pytest
from sqlalchemy import select, update

from lab_support.database import unit_of_work
from lab_support.messaging import Event
from lab_support.services.orders import events as e
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import IdempotencyKey, Order, OutboxMessage, Price, TimelineEntry
from lab_support.services.orders.errors import IdempotencyKeyReusedError
from lab_support.services.orders.handlers import Hearing
from lab_support.services.orders.idempotency import forget_keys
from lab_support.services.orders.seed import PRICES, seed
from tests.services.orders.taking_orders import (
    LIMIT_S,
    Clock,
    Sessions,
    announced,
    consumer,
    lines,
    rows,
    the_order,
    told,
)

WRITTEN = (Order, OutboxMessage, TimelineEntry, IdempotencyKey)


async def test_one_key_posted_twenty_times_takes_one_order(desk: Desk, sessions: Sessions) -> None:
    """Twenty equal requests at once get one and the same answer; one order is taken."""
    async with asyncio.timeout(LIMIT_S):
        answers = await asyncio.gather(
            *(desk.orders.place_order("ada", "credit", lines(), idempotency_key="once") for _ in range(20))
        )

    assert len({answer.order_id for answer in answers}) == 1
    assert await rows(sessions, *WRITTEN) == (1, 1, 1, 1)


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def test_different_orders_under_one_key_are_told_apart(desk: Desk, sessions: Sessions) -> None:
    """Of ten different orders under one key at once one is taken; nine are told that the key is another's."""
    orders = (
        desk.orders.place_order("ada", "credit", lines(("MUG-2", n)), idempotency_key="k")
        for n in range(1, 11)
    )
    async with asyncio.timeout(LIMIT_S):
        found = await asyncio.gather(*orders, return_exceptions=True)

    refused = [one for one in found if isinstance(one, IdempotencyKeyReusedError)]
    assert len(refused) == 9
    assert await rows(sessions, *WRITTEN) == (1, 1, 1, 1)


async def test_opposite_events_at_once_end_the_order_once(
    desk: Desk, sessions: Sessions, clock: Clock
) -> None:
    """Success and failure, five copies of each at once: one of them ends the order, and one end is told."""
    taken = await desk.orders.place_order("ada", "credit", lines())
    order = await the_order(sessions, taken.order_id)
    good = told(e.StockReserved(order_id=order.id), "stock", order.saga_id)
    bad = told(
        e.StockUnavailable(order_id=order.id, sku="LAMP-7", reason="OUT_OF_STOCK"), "stock", order.saga_id
    )
    handle = consumer(sessions, Hearing(desk.sagas, clock))

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(handle(event) for event in [good, bad] * 5))

    ended: Event = (await announced(sessions))[-1]
    status = {"OrderApproved": "APPROVED", "OrderFailed": "FAILED_NO_STOCK"}[ended.type]
    assert (await the_order(sessions, order.id)).status == status
    assert await rows(sessions, *WRITTEN) == (1, 2, 4, 0)


@pytest.mark.parametrize("backend", ["sqlite"])
async def test_forgotten_key_orders_again(desk: Desk, sessions: Sessions, clock: Clock) -> None:
    """Keys from before a moment are deleted, and their requests would be taken again; younger ones stay."""
    old = await desk.orders.place_order("ada", "credit", lines(), idempotency_key="old")
    clock.turn(1)
    young = await desk.orders.place_order("ada", "credit", lines(), idempotency_key="young")

    async with unit_of_work(sessions) as uow:
        assert await forget_keys(uow.session, before=clock.now) == 1
        await uow.commit()

    assert (await desk.orders.place_order("ada", "credit", lines(), idempotency_key="young")) == young
    again = await desk.orders.place_order("ada", "credit", lines(), idempotency_key="old")
    assert again.order_id != old.order_id


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def test_price_list_is_filled_once(sessions: Sessions) -> None:
    """Five processes that seed at once, on top of a list that is there, leave each product once and as it was."""
    async with unit_of_work(sessions) as uow:
        await uow.session.execute(update(Price).where(Price.sku != "MUG-2").values(name="Changed"))
        await uow.commit()

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(seed(sessions) for _ in range(5)))

    async with sessions() as session:
        names = [price.name for price in await session.scalars(select(Price))]
    assert sorted(names) == ["Changed"] * (len(PRICES) - 1) + ["Mug"]
