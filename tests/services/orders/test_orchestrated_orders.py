"""Orders whose sagas Orders orchestrates: begun with the order, ended with it, and what a person decides on the way."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import trace_sql
from lab_support.messaging import Event
from lab_support.sagas import Timekeeper
from lab_support.services.orders import events as e
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import Order, OutboxMessage, Saga
from lab_support.services.orders.handlers import Hearing
from tests.services.orders.taking_orders import (
    DEADLINE_S,
    Clock,
    Sessions,
    announced,
    consumer,
    lines,
    the_order,
    told,
)

only_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
pytestmark = pytest.mark.parametrize("settings", ["orchestration"], indirect=True)
Answer = Callable[..., Awaitable[Event]]
AMOUNT: dict[str, Any] = {"amount": "49.80"}
NO_PIECES: dict[str, Any] = {"sku": "LAMP-7", "reason": "OUT_OF_STOCK"}


@pytest.fixture
async def order(desk: Desk, sessions: Sessions, request: pytest.FixtureRequest) -> Order:
    """Give an order that was just taken; on credit, unless the test says otherwise."""
    taken = await desk.orders.place_order("ada", getattr(request, "param", "credit"), lines())
    return await the_order(sessions, taken.order_id)


@pytest.fixture
def answer(desk: Desk, sessions: Sessions, clock: Clock, order: Order) -> Answer:
    """Give a function with which a participant answers the last command."""
    handle = consumer(sessions, Hearing(desk.sagas, clock), replies=True)

    async def reply(kind: type[BaseModel], by: str = "customer", **fields: Any) -> Event:
        payload = kind.model_validate({"order_id": order.id, **fields})
        event = told(payload, by, order.saga_id)
        await handle(event)
        return event

    return reply


@pytest.fixture
def timekeeper(desk: Desk, sessions: Sessions, clock: Clock) -> Timekeeper:
    return Timekeeper(sessions, OutboxMessage, desk.sagas.orchestrator, clock=clock)


async def sent(sessions: Sessions) -> list[tuple[str, str]]:
    """Give type and topic of all that was announced."""
    return [(event.type, event.aggregate_type) for event in await announced(sessions)]


async def saga_of(sessions: Sessions, order: Order) -> Saga:
    async with sessions() as session:
        return await session.get_one(Saga, order.saga_id)


async def test_orchestrated_order_on_credit_is_approved(
    engine: AsyncEngine, order: Order, answer: Answer, sessions: Sessions
) -> None:
    """Each answer brings the next command in its own transaction; the last one ends saga and order together."""
    counted = []
    for kind, by, fields in ((e.CustomerCreditReserved, "customer", AMOUNT), (e.StockReserved, "stock", {})):
        with trace_sql(engine) as trace:
            await answer(kind, by, **fields)
        counted.append(len(trace.statements))

    assert (await the_order(sessions, order.id)).status == "APPROVED"
    assert (await saga_of(sessions, order)).status == "COMPLETED"
    assert await sent(sessions) == [
        ("OrderCreated", "order"),
        ("ReserveCredit", "customer.commands"),
        ("ReserveStock", "stock.commands"),
        ("OrderApproved", "order"),
    ]
    assert counted == [6, 8]
    events = await announced(sessions)
    assert {event.saga_id for event in events} == {order.saga_id}
    assert {event.aggregate_id for event in events} == {str(order.id)}


@only_sqlite
@pytest.mark.parametrize("order", ["card"], indirect=True)
async def test_orchestrated_order_by_card_is_undone_backwards(
    order: Order, answer: Answer, sessions: Sessions, desk: Desk
) -> None:
    """No stock: the order fails at once, the charge is given back by command, and OrderFailed asks nobody."""
    await answer(e.CustomerVerified)
    await answer(e.PaymentSuccessful, "payment", **AMOUNT)
    await answer(e.InventoryReservationFailed, "stock", **NO_PIECES)

    failed = await the_order(sessions, order.id)
    assert (failed.status, failed.failed_step, failed.reason) == (
        "FAILED_INVENTORY",
        "reserve-stock",
        "OUT_OF_STOCK",
    )
    assert (await desk.timeline(order.id)).why.endswith("refund-payment is asked for and not confirmed yet.")
    await answer(e.PaymentRefunded, "payment", **AMOUNT)
    assert (await saga_of(sessions, order)).status == "COMPENSATED"
    told_ = await desk.timeline(order.id)
    assert told_.why.endswith("everything was made good.")
    assert [(event.service, event.type) for event in told_.events] == [
        ("orders", "OrderCreated"),
        ("orders", "VerifyCustomer"),
        ("customers", "CustomerVerified"),
        ("orders", "ChargePayment"),
        ("payments", "PaymentSuccessful"),
        ("orders", "ReserveStock"),
        ("inventory", "InventoryReservationFailed"),
        ("orders", "RefundPayment"),
        ("orders", "OrderFailed"),
        ("payments", "PaymentRefunded"),
    ]
    (end,) = [event for event in await announced(sessions) if event.type == "OrderFailed"]
    assert end.payload["compensate"] == []


@only_sqlite
@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (e.CustomerCreditLimitExceeded, "CREDIT_LIMIT_EXCEEDED", "FAILED_NO_CREDIT"),
        (e.CustomerVerificationFailed, "UNKNOWN_CUSTOMER", "FAILED_VERIFICATION"),
    ],
    ids=["credit", "unknown"],
)
async def test_refused_credit_ends_the_order(
    order: Order, answer: Answer, sessions: Sessions, kind: type[BaseModel], reason: str, status: str
) -> None:
    """The first step's refusal ends the order in the state of its reason, with nothing to undo."""
    await answer(kind, reason=reason)

    assert (await the_order(sessions, order.id)).status == status
    assert (await saga_of(sessions, order)).status == "COMPENSATED"


@only_sqlite
async def test_choreography_does_not_move_an_orchestrated_order(
    order: Order, answer: Answer, desk: Desk, sessions: Sessions, clock: Clock
) -> None:
    """An event on a participant's own topic is noted; the orchestrator alone decides."""
    event = told(e.StockReserved(order_id=order.id), "stock", order.saga_id)

    await consumer(sessions, Hearing(desk.sagas, clock))(event)

    assert (await the_order(sessions, order.id)).status == "PENDING"


async def silence(clock: Clock, timekeeper: Timekeeper, turns: int) -> None:
    for _ in range(turns):
        clock.turn(DEADLINE_S)
        await timekeeper.turn()


@only_sqlite
async def test_silence_fails_the_order_and_ends_in_review(
    order: Order,
    answer: Answer,
    orders_client: httpx.AsyncClient,
    clock: Clock,
    timekeeper: Timekeeper,
    sessions: Sessions,
) -> None:
    """Nobody answers, not even the compensation: FAILED_DEADLINE, and a person is asked; a retry asks once more."""
    await silence(clock, timekeeper, 3)
    assert (await the_order(sessions, order.id)).status == "FAILED_DEADLINE"
    await silence(clock, timekeeper, 3)
    assert (await saga_of(sessions, order)).status == "REQUIRES_REVIEW"
    (review,) = (await orders_client.get("/orders/reviews", params={"open": True})).json()
    assert (review["service"], review["action"]) == ("customers", "release-credit")
    assert (review["reason"], review["attempts"]) == ("UNANSWERED", 3)
    before = await sent(sessions)

    await orders_client.post(f"/orders/reviews/{review['review_id']}", json={"resolution": "retry"})

    assert (await sent(sessions))[len(before) :] == [
        ("ReviewResolved", "order"),
        ("ReleaseCredit", "customer.commands"),
    ]
    await answer(e.NothingToCompensate, action="release-credit")
    assert (await saga_of(sessions, order)).status == "COMPENSATED"


@only_sqlite
@pytest.mark.parametrize("order", ["card"], indirect=True)
async def test_refused_compensation_can_be_settled(
    order: Order, answer: Answer, orders_client: httpx.AsyncClient, desk: Desk, sessions: Sessions
) -> None:
    """A refund that failed for good is in review; settled by hand, the saga is as good as compensated."""
    await answer(e.CustomerVerified)
    await answer(e.PaymentSuccessful, "payment", **AMOUNT)
    await answer(e.InventoryReservationFailed, "stock", **NO_PIECES)
    await answer(
        e.CompensationFailed,
        "payment",
        service="payments",
        action="refund-payment",
        reason="PROVIDER_UNAVAILABLE",
        attempts=5,
    )
    assert (await saga_of(sessions, order)).status == "REQUIRES_REVIEW"
    (review,) = (await orders_client.get("/orders/reviews", params={"open": True})).json()
    assert (review["reason"], review["attempts"]) == ("PROVIDER_UNAVAILABLE", 5)

    await orders_client.post(f"/orders/reviews/{review['review_id']}", json={"resolution": "settled"})

    assert (await saga_of(sessions, order)).status == "COMPENSATED"
    assert (await desk.timeline(order.id)).why.endswith("everything was made good.")
    assert (await sent(sessions))[-1] == ("ReviewResolved", "order")


@only_sqlite
async def test_repeated_answer_has_one_effect(order: Order, answer: Answer, sessions: Sessions) -> None:
    """Two equal answers with ids of their own, as after a command that was sent twice, bring one next command."""
    await answer(e.CustomerCreditReserved, **AMOUNT)
    await answer(e.CustomerCreditReserved, **AMOUNT)

    assert [name for name, _ in await sent(sessions)].count("ReserveStock") == 1
    assert UUID((await announced(sessions))[0].aggregate_id) == order.id
