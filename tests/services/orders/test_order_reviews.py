"""The queue of reviews over HTTP: what failed for good is listed, decided once, and told to the participant."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lab_support.services.orders import events as e
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import Order, OutboxMessage, TimelineEntry
from lab_support.services.orders.errors import ReviewResolvedError
from lab_support.services.orders.handlers import Hearing
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

only_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
QUEUE = "/orders/reviews"


@pytest.fixture
async def failed_order(desk: Desk, sessions: Sessions, clock: Clock) -> Order:
    """Give an order whose credit could not be released, so that it is in review."""
    taken = await desk.orders.place_order("ada", "credit", lines())
    order = await the_order(sessions, taken.order_id)
    await fail_release(desk, sessions, clock, order)
    return order


async def fail_release(desk: Desk, sessions: Sessions, clock: Clock, order: Order) -> None:
    payload = e.CompensationFailed(
        order_id=order.id,
        service="customers",
        action="release-credit",
        reason="ATTEMPTS_EXHAUSTED",
        attempts=5,
    )
    handle = consumer(sessions, Hearing(desk.sagas, clock))
    await handle(told(payload, "customer", order.saga_id))


async def the_review(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    (review,) = (await client.get(QUEUE, params=query)).json()
    return dict(review)


@pytest.mark.parametrize("resolution", ["retry", "settled"])
async def test_decision_is_kept_and_told_together(
    orders_client: httpx.AsyncClient, failed_order: Order, sessions: Sessions, clock: Clock, resolution: str
) -> None:
    """A decision leaves the open queue, and the participant hears it as ReviewResolved, caused by its own event."""
    review = await the_review(orders_client, open=True)
    clock.turn(60)

    answer = await orders_client.post(
        f"{QUEUE}/{review['review_id']}", json={"resolution": resolution, "note": "called her"}
    )

    assert answer.status_code == 200
    assert answer.json() == review | {
        "resolution": resolution,
        "note": "called her",
        "resolved_at": "2026-11-24T12:01:00Z",
    }
    assert (await orders_client.get(QUEUE, params={"open": True})).json() == []
    assert await the_review(orders_client) == answer.json()
    told_ = (await announced(sessions))[-1]
    assert (told_.type, told_.saga_id) == ("ReviewResolved", failed_order.saga_id)
    assert told_.payload == {
        "order_id": str(failed_order.id),
        "service": "customers",
        "action": "release-credit",
        "resolution": resolution,
        "note": "called her",
    }
    events = (await orders_client.get(f"/orders/{failed_order.id}/timeline")).json()["events"]
    assert (events[-1]["type"], events[-1]["cause"]) == ("ReviewResolved", "CompensationFailed")


@only_sqlite
async def test_review_is_decided_once(
    orders_client: httpx.AsyncClient, failed_order: Order, sessions: Sessions
) -> None:
    """A second decision is a conflict that says what was decided, and tells nobody anything."""
    address = f"{QUEUE}/{(await the_review(orders_client))['review_id']}"
    await orders_client.post(address, json={"resolution": "settled"})

    again = await orders_client.post(address, json={"resolution": "retry"})

    assert again.status_code == 409
    assert "settled" in again.json()["detail"]
    assert await rows(sessions, OutboxMessage, TimelineEntry) == (2, 3)


async def test_ten_decisions_at_once_are_one(desk: Desk, failed_order: Order, sessions: Sessions) -> None:
    """Ten people decide at once: one decision is kept and told, nine hear that it was decided."""
    (review,) = await desk.reviews.listed(open_only=True)

    async with asyncio.timeout(LIMIT_S):
        found = await asyncio.gather(
            *(desk.reviews.resolve(review.id, "retry") for _ in range(10)), return_exceptions=True
        )

    assert sum(isinstance(one, ReviewResolvedError) for one in found) == 9
    assert await rows(sessions, OutboxMessage) == (2,)


@only_sqlite
async def test_compensation_that_fails_again_is_reviewed_again(
    orders_client: httpx.AsyncClient, desk: Desk, sessions: Sessions, clock: Clock, failed_order: Order
) -> None:
    """After a retry in vain there is a new review; the decided one stays as it was."""
    first = await the_review(orders_client)
    await orders_client.post(f"{QUEUE}/{first['review_id']}", json={"resolution": "retry"})
    await fail_release(desk, sessions, clock, failed_order)

    second = await the_review(orders_client, open=True)

    assert second["review_id"] != first["review_id"]
    assert len((await orders_client.get(QUEUE)).json()) == 2


@only_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resolution": "ignore"},
        {"resolution": None},
        {"resolution": "retry", "note": "x" * 501},
        {"resolution": "retry", "note": "\x00"},
        {"resolution": "retry", "action": "refund-payment"},
        [],
    ],
    ids=str,
)
async def test_bad_decision_is_refused(
    orders_client: httpx.AsyncClient, failed_order: Order, body: Any
) -> None:
    """What is no decision changes nothing; the review stays open."""
    review = await the_review(orders_client)

    answer = await orders_client.post(f"{QUEUE}/{review['review_id']}", json=body)

    assert answer.status_code == 422
    assert await the_review(orders_client, open=True) == review


@only_sqlite
async def test_unknown_review_is_told(orders_client: httpx.AsyncClient) -> None:
    """An id that no review has is 404."""
    answer = await orders_client.post(f"{QUEUE}/{uuid4()}", json={"resolution": "retry"})

    assert answer.status_code == 404


@only_sqlite
async def test_note_is_locked_while_the_saga_works(
    orders_client: httpx.AsyncClient, desk: Desk, sessions: Sessions, clock: Clock
) -> None:
    """The delivery note of a waiting order is refused, of an ended one kept or taken away; nothing else may be sent."""
    taken = await desk.orders.place_order("ada", "credit", lines())
    order = await the_order(sessions, taken.order_id)
    address, note = f"/orders/{order.id}", {"delivery_note": "at the back door"}

    locked = await orders_client.patch(address, json=note)
    await consumer(sessions, Hearing(desk.sagas, clock))(
        told(e.StockReserved(order_id=order.id), "stock", order.saga_id)
    )
    free = await orders_client.patch(address, json=note)

    assert (locked.status_code, locked.headers["content-type"]) == (409, "application/problem+json")
    assert (free.status_code, free.json()["delivery_note"]) == (200, "at the back door")
    assert (await orders_client.patch(address, json={"delivery_note": None})).json()["delivery_note"] is None
    for bad in ({}, {"status": "PENDING"}, note | {"status": "PENDING"}, {"delivery_note": "x" * 501}):
        assert (await orders_client.patch(address, json=bad)).status_code == 422
    assert (await orders_client.patch(f"/orders/{uuid4()}", json=note)).status_code == 404
