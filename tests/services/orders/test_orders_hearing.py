"""What Orders makes of what it hears: from which state to which, in any sequence, and nothing from a stranger."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import trace_sql
from lab_support.messaging import Event
from lab_support.services.orders import events as e
from lab_support.services.orders.deadlines import DeadlineWorker
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import InboxMessage, Order, OutboxMessage, Review, TimelineEntry
from lab_support.services.orders.handlers import Hearing
from lab_support.services.orders.states import WAITING
from lab_support.services.vocabulary import PayBy
from tests.services.orders.taking_orders import (
    DEADLINE_S,
    Clock,
    Sessions,
    announced,
    consumer,
    lines,
    noted,
    rows,
    the_order,
    told,
)

only_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
AMOUNT: dict[str, Any] = {"amount": "49.80"}
NO_PIECES: dict[str, Any] = {"sku": "LAMP-7", "reason": "OUT_OF_STOCK"}
BLOCKED: dict[str, Any] = {"reason": "CUSTOMER_BLOCKED"}
FAILED_TASK: dict[str, Any] = {
    "service": "customers",
    "action": "release-credit",
    "reason": "ATTEMPTS_EXHAUSTED",
    "attempts": 5,
}
ENDS: list[tuple[PayBy, type[BaseModel], dict[str, Any], str, tuple[Any, ...]]] = [
    ("credit", e.StockReserved, {}, "APPROVED", ()),
    (
        "credit",
        e.CustomerCreditLimitExceeded,
        {"reason": "CREDIT_LIMIT_EXCEEDED"},
        "FAILED_NO_CREDIT",
        ("reserve-credit", "CREDIT_LIMIT_EXCEEDED", []),
    ),
    (
        "credit",
        e.CustomerVerificationFailed,
        {"reason": "UNKNOWN_CUSTOMER"},
        "FAILED_VERIFICATION",
        ("verify-customer", "UNKNOWN_CUSTOMER", []),
    ),
    (
        "credit",
        e.StockUnavailable,
        NO_PIECES,
        "FAILED_NO_STOCK",
        ("reserve-stock", "OUT_OF_STOCK", ["release-credit"]),
    ),
    ("card", e.InventoryReserved, {}, "CONFIRMED", ()),
    (
        "card",
        e.CustomerVerificationFailed,
        BLOCKED,
        "FAILED_VERIFICATION",
        ("verify-customer", "CUSTOMER_BLOCKED", []),
    ),
    (
        "card",
        e.PaymentFailed,
        {"reason": "CARD_DECLINED"},
        "FAILED_PAYMENT",
        ("charge-payment", "CARD_DECLINED", []),
    ),
    (
        "card",
        e.InventoryReservationFailed,
        NO_PIECES,
        "FAILED_INVENTORY",
        ("reserve-stock", "OUT_OF_STOCK", ["refund-payment"]),
    ),
]


@pytest.fixture
def hearing(desk: Desk, clock: Clock) -> Hearing:
    return Hearing(desk.sagas, clock)


async def taken(desk: Desk, sessions: Sessions, pay_by: PayBy = "credit") -> Order:
    """Take an order; give it as it is in its table."""
    answer = await desk.orders.place_order("ada", pay_by, lines())
    return await the_order(sessions, answer.order_id)


def about(order: Order, kind: type[BaseModel], fields: dict[str, Any], by: str = "customer") -> Event:
    return told(kind.model_validate({"order_id": order.id, **fields}), by, order.saga_id)


@pytest.mark.parametrize(
    ("pay_by", "kind", "fields", "status", "failure"), ENDS, ids=lambda value: str(value)[:24]
)
@only_sqlite
async def test_event_ends_the_order_that_it_decides(
    desk: Desk,
    sessions: Sessions,
    hearing: Hearing,
    pay_by: PayBy,
    kind: type[BaseModel],
    fields: dict[str, Any],
    status: str,
    failure: tuple[Any, ...],
) -> None:
    """Each deciding event moves the order to its end and has the end announced, with what a failure must carry."""
    order = await taken(desk, sessions, pay_by)
    event = about(order, kind, fields)

    await consumer(sessions, hearing)(event)

    ended = await the_order(sessions, order.id)
    assert (ended.status, ended.failed_step, ended.reason) == (status, *(failure[:2] or (None, None)))
    _created, end = await announced(sessions)
    assert (end.saga_id, end.causation_id, end.aggregate_id) == (order.saga_id, event.event_id, str(order.id))
    if failure:
        step, reason, compensate = failure
        assert end.type == "OrderFailed"
        assert end.payload == {
            "order_id": str(order.id),
            "customer_id": "ada",
            "failed_step": step,
            "reason": reason,
            "compensate": compensate,
        }
    else:
        assert end.type == {"APPROVED": "OrderApproved", "CONFIRMED": "OrderConfirmed"}[status]
    assert [entry.type for entry in await noted(sessions)] == ["OrderCreated", event.type, end.type]


@pytest.mark.parametrize(
    ("pay_by", "kind", "fields"),
    [
        ("card", e.StockReserved, {}),
        ("card", e.CustomerCreditLimitExceeded, {"reason": "CREDIT_LIMIT_EXCEEDED"}),
        ("card", e.StockUnavailable, NO_PIECES),
        ("credit", e.InventoryReserved, {}),
        ("credit", e.PaymentFailed, {"reason": "CARD_DECLINED"}),
        ("credit", e.InventoryReservationFailed, NO_PIECES),
        ("credit", e.CustomerCreditReserved, AMOUNT),
        ("card", e.PaymentSuccessful, AMOUNT),
    ],
    ids=lambda value: str(value)[:24],
)
@only_sqlite
async def test_event_that_decides_nothing_is_only_noted(
    desk: Desk,
    sessions: Sessions,
    hearing: Hearing,
    pay_by: PayBy,
    kind: type[BaseModel],
    fields: dict[str, Any],
) -> None:
    """An event in the middle of the saga, or of the other way of paying, is in the timeline and moves nothing."""
    order = await taken(desk, sessions, pay_by)

    await consumer(sessions, hearing)(about(order, kind, fields))

    assert (await the_order(sessions, order.id)).status == order.status
    assert len(await noted(sessions)) == 2
    assert len(await announced(sessions)) == 1


NEWS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (e.CustomerCreditReserved, AMOUNT),
    (e.CustomerCreditLimitExceeded, {"reason": "CREDIT_LIMIT_EXCEEDED"}),
    (e.StockReserved, {}),
    (e.StockUnavailable, NO_PIECES),
    (e.CustomerVerificationFailed, BLOCKED),
    (e.CustomerCreditReleased, AMOUNT),
    (e.CompensationFailed, FAILED_TASK),
    (e.NothingToCompensate, {"action": "release-stock"}),
]
deliveries = st.lists(st.integers(0, len(NEWS) - 1), min_size=1, max_size=14)


@only_sqlite
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sequence=deliveries, silent_before=st.integers(0, 20))
async def test_order_ends_once_in_any_sequence(
    desk: Desk,
    sessions: Sessions,
    hearing: Hearing,
    clock: Clock,
    sequence: Sequence[int],
    silent_before: int,
) -> None:
    """Whatever comes first, a deadline among them, ends the order; nothing later moves it, or is told twice."""
    order = await taken(desk, sessions)
    saga = [about(order, kind, fields) for kind, fields in NEWS]
    handle, worker = consumer(sessions, hearing), DeadlineWorker(sessions, clock=clock)
    ends, decisive = list[str](), list[UUID | None]()

    for place, number in enumerate(sequence):
        if place == silent_before:
            clock.turn(DEADLINE_S)
            await worker.turn()
            decisive.append(None)
        await handle(saga[number])
        decisive += [saga[number].event_id] if 1 <= number <= 4 else []
        ends.append((await the_order(sessions, order.id)).status)

    assert len({*ends} - {*WAITING}) == bool(decisive)
    async with sessions() as session:
        mine = select(TimelineEntry).where(TimelineEntry.order_id == order.id)
        entries = (await session.scalars(mine)).all()
    told_ends = [one for one in entries if one.type in ("OrderApproved", "OrderFailed")]
    assert [one.causation_id for one in told_ends] == decisive[:1]
    assert sorted(one.event_id for one in entries if one.service != "orders") == sorted(
        {saga[number].event_id for number in sequence}
    )


@pytest.mark.parametrize(
    ("saga_id", "known"), [(uuid4(), True), (None, False), (uuid4(), False)], ids=["saga", "none", "order"]
)
async def test_event_of_a_stranger_is_parked(
    desk: Desk, sessions: Sessions, hearing: Hearing, saga_id: UUID | None, known: bool
) -> None:
    """An event about an unknown order, or under another saga, stays in the inbox with its reason and moves nothing."""
    order = await taken(desk, sessions)
    event = told(e.StockReserved(order_id=order.id if known else uuid4()), "stock", saga_id)

    await consumer(sessions, hearing)(event)

    async with sessions() as session:
        (row,) = (await session.scalars(select(InboxMessage))).all()
    assert row.parked_at is not None
    assert ("whose saga is another" if known else "which does not exist") in (row.last_error or "")
    assert (await the_order(sessions, order.id)).status == "PENDING"
    assert await rows(sessions, OutboxMessage, TimelineEntry) == (1, 1)


@only_sqlite
@pytest.mark.parametrize(
    "event",
    [
        told(e.OrderApproved(order_id=uuid4(), customer_id="ada"), "customer", None),
        Event(type="StockReserved", aggregate_type="stock", aggregate_id="1", payload={"order_id": "seven"}),
        Event(type="StockReserved", aggregate_type="stock", aggregate_id="1", payload={}),
        Event(type="StockReserved", version=9, aggregate_type="stock", aggregate_id="1", payload={}),
        Event(
            type="PaymentFailed",
            aggregate_type="payment",
            aggregate_id="1",
            payload={"order_id": str(uuid4()), "reason": "Traceback (most recent call last): ..."},
        ),
        Event(type="Unheard", aggregate_type="stock", aggregate_id="1", payload={}),
    ],
    ids=["own", "no-id", "empty", "newer", "exception-text", "unknown"],
)
async def test_unreadable_event_is_parked(
    desk: Desk, sessions: Sessions, hearing: Hearing, event: Event
) -> None:
    """What Orders cannot understand, or would only say itself, is kept in the inbox for a person."""
    await consumer(sessions, hearing)(event)

    async with sessions() as session:
        (row,) = (await session.scalars(select(InboxMessage))).all()
    assert row.parked_at is not None
    assert await rows(sessions, TimelineEntry) == (0,)


async def test_statements_of_hearing_are_counted(
    engine: AsyncEngine, desk: Desk, sessions: Sessions, hearing: Hearing
) -> None:
    """News costs inbox, order and timeline; an end an UPDATE and its event more; a repetition the inbox alone."""
    order = await taken(desk, sessions)
    handle = consumer(sessions, hearing)
    news, end = about(order, e.CustomerCreditReserved, AMOUNT), about(order, e.StockReserved, {})
    counted = []
    for event in (news, end, end):
        with trace_sql(engine) as trace:
            await handle(event)
        counted.append(len(trace.statements))

    assert counted == [3, 5, 1]


async def test_compensation_that_failed_is_put_into_review(
    desk: Desk, sessions: Sessions, hearing: Hearing
) -> None:
    """A participant's CompensationFailed becomes a review, once, with the latest reason as long as it is open."""
    order = await taken(desk, sessions)
    handle = consumer(sessions, hearing)
    first = about(order, e.CompensationFailed, FAILED_TASK)
    later = about(
        order, e.CompensationFailed, FAILED_TASK | {"reason": "PROVIDER_UNAVAILABLE", "attempts": 9}
    )

    for event in (first, first, later):
        await handle(event)

    async with sessions() as session:
        (review,) = (await session.scalars(select(Review))).all()
    assert (review.order_id, review.saga_id, review.service) == (order.id, order.saga_id, "customers")
    assert (review.reason, review.attempts, review.causation_id) == (
        "PROVIDER_UNAVAILABLE",
        9,
        later.event_id,
    )
