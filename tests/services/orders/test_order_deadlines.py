"""Orders that wait too long fail, once each; what may have been done for them is made good."""

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import InjectedError, fault, trace_sql
from lab_support.services.orders import events as e
from lab_support.services.orders.deadlines import DeadlineWorker
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.handlers import Hearing
from lab_support.services.vocabulary import PayBy
from lab_support.settings import Settings
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


@pytest.fixture
def worker(sessions: Sessions, clock: Clock) -> DeadlineWorker:
    return DeadlineWorker(sessions, clock=clock)


@only_sqlite
@pytest.mark.parametrize(
    ("pay_by", "heard", "step", "compensate"),
    [
        ("credit", None, "reserve-credit", ["release-stock", "release-credit"]),
        ("credit", "CustomerCreditReserved", "reserve-stock", ["release-stock", "release-credit"]),
        ("card", None, "verify-customer", ["release-stock", "refund-payment"]),
        ("card", "CustomerVerified", "charge-payment", ["release-stock", "refund-payment"]),
        ("card", "PaymentSuccessful", "reserve-stock", ["release-stock", "refund-payment"]),
    ],
)
async def test_order_fails_at_its_deadline(
    desk: Desk,
    sessions: Sessions,
    worker: DeadlineWorker,
    clock: Clock,
    pay_by: PayBy,
    heard: str | None,
    step: str,
    compensate: list[str],
) -> None:
    """Not a moment earlier; it names the step that was waited for, and all that may have happened."""
    taken = await desk.orders.place_order("ada", pay_by, lines())
    order = await the_order(sessions, taken.order_id)
    if heard is not None:
        payload = getattr(e, heard).model_validate({"order_id": order.id, "amount": "49.80"})
        await consumer(sessions, Hearing(desk.sagas, clock))(told(payload, "customer", order.saga_id))

    clock.turn(DEADLINE_S - 0.001)
    assert await worker.turn() == 0
    clock.turn(0.001)
    assert await worker.turn() == 1

    failed = await the_order(sessions, order.id)
    assert (failed.status, failed.failed_step, failed.reason) == ("FAILED_DEADLINE", step, "DEADLINE")
    end = (await announced(sessions))[-1]
    assert (end.type, end.payload["compensate"], end.saga_id) == ("OrderFailed", compensate, order.saga_id)
    assert await worker.turn() == 0


async def test_overdue_orders_fail_once_between_two_workers(
    engine: AsyncEngine, desk: Desk, sessions: Sessions, worker: DeadlineWorker, clock: Clock
) -> None:
    """Two workers that found the same order overdue: the conditional UPDATE lets one of them fail it."""
    taken = await desk.orders.place_order("ada", "credit", lines())
    order = await the_order(sessions, taken.order_id)
    clock.turn(DEADLINE_S)

    with trace_sql(engine) as trace:
        failed = [await worker._fail(order), await worker._fail(order)]

    assert failed == [True, False]
    assert len(trace.statements) == 4 + 2
    assert [event.type for event in await announced(sessions)] == ["OrderCreated", "OrderFailed"]


@only_sqlite
async def test_failure_of_one_order_does_not_hold_up_others(
    engine: AsyncEngine, desk: Desk, sessions: Sessions, worker: DeadlineWorker, clock: Clock
) -> None:
    """An order that can't be failed now is reported after the others have been failed, and fails with the next turn."""
    taken = [await desk.orders.place_order("ada", "credit", lines()) for _ in range(3)]
    clock.turn(DEADLINE_S)

    with pytest.raises(ExceptionGroup), fault(engine, after_statement=4, error=InjectedError("a bug")):
        await worker.turn()

    states = [(await the_order(sessions, one.order_id)).status for one in taken]
    assert sorted(states) == ["FAILED_DEADLINE", "FAILED_DEADLINE", "PENDING"]
    assert await worker.turn() == 1


@only_sqlite
async def test_batch_is_bounded_and_begins_with_the_most_overdue(
    desk: Desk, sessions: Sessions, clock: Clock
) -> None:
    """A turn fails so many orders at most, the longest overdue first."""
    taken = []
    for _ in range(3):
        taken.append(await desk.orders.place_order("ada", "credit", lines()))
        clock.turn(1)
    clock.turn(DEADLINE_S)

    assert await DeadlineWorker(sessions, clock=clock, batch=2).turn() == 2

    states = [(await the_order(sessions, one.order_id)).status for one in taken]
    assert states == ["FAILED_DEADLINE", "FAILED_DEADLINE", "PENDING"]


@only_sqlite
@pytest.mark.parametrize("settings", ["orchestration"], indirect=True)
async def test_orchestrated_order_is_left_to_its_orchestrator(
    desk: Desk, sessions: Sessions, worker: DeadlineWorker, clock: Clock, settings: Settings
) -> None:
    """The worker fails no order whose steps have deadlines of their own."""
    taken = await desk.orders.place_order("ada", "credit", lines())
    clock.turn(10 * DEADLINE_S)

    assert await worker.turn() == 0
    assert (await the_order(sessions, taken.order_id)).status == "PENDING"


@only_sqlite
async def test_answer_after_the_deadline_changes_nothing(
    desk: Desk, sessions: Sessions, worker: DeadlineWorker, clock: Clock
) -> None:
    """A success that comes too late is noted; the order stays failed, and its participants were told already."""
    taken = await desk.orders.place_order("ada", "credit", lines())
    order = await the_order(sessions, taken.order_id)
    clock.turn(DEADLINE_S)
    await worker.turn()

    late = told(e.StockReserved(order_id=order.id), "stock", order.saga_id, causation_id=uuid4())
    await consumer(sessions, Hearing(desk.sagas, clock))(late)

    assert (await the_order(sessions, order.id)).status == "FAILED_DEADLINE"
    assert len(await announced(sessions)) == 2
