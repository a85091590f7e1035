"""What Customers does about events, in the order in which they should come and in others."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from lab_support.database import InjectedError, fault
from lab_support.messaging import Event
from tests.services.customers.customer_world import (
    CustomerWorld,
    approved,
    confirmed,
    created,
    failed,
    resolved,
    stock_unavailable,
)

RELEASE = "release-credit"


@pytest.fixture
def order() -> UUID:
    return uuid4()


async def test_credit_is_reserved_and_told_with_what_the_next_needs(
    world: CustomerWorld, order: UUID
) -> None:
    cause = created(order, "30.00")

    await world.hear(cause)

    assert await world.credit() == "70.00"
    assert await world.status(order) == "RESERVED"
    [(topic, event)] = await world.announced()
    assert (topic, event.type, event.aggregate_id) == ("customer", "CustomerCreditReserved", "ada")
    assert (event.saga_id, event.causation_id) == (cause.saga_id, cause.event_id)
    assert event.payload == {
        "order_id": str(order),
        "customer_id": "ada",
        "amount": "30.00",
        "items": [{"sku": "LAMP-7", "quantity": 1}],
    }


async def test_order_above_the_credit_is_refused_and_told(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order, "100.01"))

    assert await world.about(order) == ("REFUSED", ["CustomerCreditLimitExceeded"], None, 0)
    assert await world.credit() == "100.00"


@pytest.mark.parametrize("pay_by", ["credit", "card"])
@pytest.mark.parametrize(
    ("customer_id", "reason"), [("nobody", "UNKNOWN_CUSTOMER"), ("linus", "CUSTOMER_BLOCKED")]
)
async def test_unknown_or_blocked_customer_fails_the_verification(
    world: CustomerWorld, order: UUID, pay_by: str, customer_id: str, reason: str
) -> None:
    await world.hear(created(order, customer_id=customer_id, pay_by=pay_by))

    [(_topic, event)] = await world.announced()
    assert event.type == "CustomerVerificationFailed"
    assert event.payload["reason"] == reason


async def test_card_is_verified_without_touching_credit(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order, "5000.00", pay_by="card"))

    assert await world.about(order) == (None, ["CustomerVerified"], None, 0)
    assert await world.credit() == "100.00"


async def test_orchestrated_order_waits_for_a_command(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order, coordination="orchestration"))

    assert await world.about(order) == (None, [], None, 0)


async def test_repeated_event_reserves_once(world: CustomerWorld, order: UUID) -> None:
    event = created(order)

    await world.hear(event, event, event)

    assert await world.credit() == "70.00"
    assert await world.told() == ["CustomerCreditReserved"]


async def test_second_event_about_an_order_reserves_nothing_more(world: CustomerWorld, order: UUID) -> None:
    """An event with an id of its own, and another amount, is not what was decided."""
    await world.hear(created(order, "30.00"), created(order, "40.00"))

    assert await world.credit() == "70.00"
    assert await world.told() == ["CustomerCreditReserved"]


async def test_both_reasons_to_release_release_once(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order), stock_unavailable(order), failed(order, RELEASE), failed(order, RELEASE))
    await world.compensate()
    await world.hear(stock_unavailable(order))
    await world.compensate()

    assert await world.credit() == "100.00"
    assert await world.about(order) == (
        "RELEASED",
        ["CustomerCreditReserved", "CustomerCreditReleased"],
        "DONE",
        0,
    )


@pytest.mark.parametrize("reason", [stock_unavailable, lambda order: failed(order, RELEASE)])
async def test_release_before_the_reservation_keeps_it_from_happening(
    world: CustomerWorld, order: UUID, reason: object
) -> None:
    await world.hear(reason(order))  # type: ignore[operator]
    await world.compensate()
    await world.hear(created(order))

    assert await world.about(order) == ("CANCELLED", ["NothingToCompensate"], "DONE", 0)
    assert await world.credit() == "100.00"


async def test_release_promised_before_the_reservation_ends_it(world: CustomerWorld, order: UUID) -> None:
    """The promise came first, the reservation second, and only then the worker had a turn."""
    await world.hear(failed(order, RELEASE), created(order))
    await world.compensate()

    assert await world.status(order) == "RELEASED"
    assert await world.credit() == "100.00"


async def test_card_order_that_failed_is_not_verified_any_more(world: CustomerWorld, order: UUID) -> None:
    """Otherwise Payments would charge for it."""
    await world.hear(failed(order, "release-stock", "refund-payment"), created(order, pay_by="card"))

    assert await world.about(order) == ("CANCELLED", [], None, 0)


async def test_refused_order_has_nothing_to_release(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order, "500.00"), failed(order, RELEASE))
    await world.compensate()

    assert await world.about(order) == (
        "REFUSED",
        ["CustomerCreditLimitExceeded", "NothingToCompensate"],
        "DONE",
        0,
    )


@pytest.mark.parametrize("stands", [approved, confirmed])
async def test_letter_is_sent_once_and_not_before_the_order_stands(
    world: CustomerWorld, order: UUID, stands: object
) -> None:
    await world.hear(created(order))
    before = await world.letters(order)

    event = stands(order)  # type: ignore[operator]
    await world.hear(event, event, stands(order))  # type: ignore[operator]

    assert (before, await world.letters(order)) == (0, 1)


async def test_order_that_stands_keeps_its_credit(world: CustomerWorld, order: UUID) -> None:
    """Whoever asks to release it nevertheless contradicts Orders; a person has to look."""
    await world.hear(created(order), approved(order), failed(order, RELEASE))
    await world.compensate()

    assert await world.credit() == "70.00"
    assert await world.status(order) == "RESERVED"
    assert await world.task(order) == ("REQUIRES_REVIEW", 1, "ORDER_STANDS")


async def test_blocked_customer_gets_credit_back(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order))
    await world.block("ada")
    await world.hear(failed(order, RELEASE))
    await world.compensate()

    assert await world.credit() == "100.00"


async def test_customer_who_is_gone_is_a_case_for_a_person(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order))
    await world.remove("ada")
    await world.hear(failed(order, RELEASE))
    await world.compensate()

    assert await world.status(order) == "RESERVED"
    assert await world.task(order) == ("REQUIRES_REVIEW", 1, "CUSTOMER_GONE")
    _topic, event = (await world.announced(order))[-1]
    assert event.payload == {
        "order_id": str(order),
        "service": "customers",
        "action": RELEASE,
        "reason": "CUSTOMER_GONE",
        "attempts": 1,
    }


async def gone(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order))
    await world.remove("ada")
    await world.hear(failed(order, RELEASE))
    await world.compensate()


async def test_retry_decided_by_a_person_releases(world: CustomerWorld, order: UUID) -> None:
    await gone(world, order)
    await world.add({"ada": "0.00"})

    decision = resolved(order, "retry")
    await world.hear(decision, decision)
    await world.compensate()

    assert await world.credit() == "30.00"
    assert (await world.task(order) or ("",))[0] == "DONE"


async def test_settled_reservation_is_never_released(world: CustomerWorld, order: UUID) -> None:
    await gone(world, order)

    await world.hear(resolved(order, "settled"), resolved(order, "retry"))

    assert await world.compensate() == 0
    assert await world.status(order) == "SETTLED"
    assert (await world.task(order) or ("",))[0] == "SETTLED"


async def test_release_that_is_done_again_gives_back_nothing_more(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order), failed(order, RELEASE))
    await world.compensate()
    await world.reopen(order)
    await world.compensate()

    assert await world.credit() == "100.00"
    assert (await world.about(order))[0] == "RELEASED"


async def test_decision_without_a_review_leaves_the_reservation(world: CustomerWorld, order: UUID) -> None:
    await world.hear(created(order), resolved(order, "settled"))

    assert await world.status(order) == "RESERVED"


async def test_decision_about_another_service_is_not_ours(world: CustomerWorld, order: UUID) -> None:
    await gone(world, order)

    await world.hear(resolved(order, "settled", service="payments"))

    assert (await world.task(order) or ("",))[0] == "REQUIRES_REVIEW"


async def test_failing_release_is_tried_again_later_and_then_shown_to_a_person(
    world: CustomerWorld, order: UUID
) -> None:
    await world.hear(created(order), failed(order, RELEASE))

    for attempt, wait_s in ((1, 2.0), (2, 4.0), (3, 0.0)):
        with fault(world.engine, after_statement=4, error=InjectedError("the disk is full")):
            assert await world.participant.workers[0].turn() == 1
        assert (await world.task(order) or ("", 0))[1] == attempt
        world.clock.advance(wait_s - 0.001)
        assert await world.participant.workers[0].turn() == 0
        world.clock.advance(0.001)

    assert await world.credit() == "70.00"
    assert (await world.task(order) or ("",))[0] == "REQUIRES_REVIEW"
    assert await world.told(order) == ["CustomerCreditReserved", "CompensationFailed"]


async def test_promise_wakes_the_worker_that_keeps_it(world: CustomerWorld, order: UUID) -> None:
    worker: Any = world.participant.workers[0]
    await world.hear(created(order))
    before = worker._woken.is_set()

    await world.hear(failed(order, RELEASE))

    assert (before, worker._woken.is_set()) == (False, True)


async def test_events_it_has_no_use_for_leave_no_row(world: CustomerWorld, order: UUID) -> None:
    other = Event(type="StockReserved", aggregate_type="stock", aggregate_id="1", payload={})

    await world.hear(other)

    assert await world.inbox_rows() == []


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"order_id": "no-uuid"},
        {"items": []},
        {"items": [{"sku": "LAMP-7", "quantity": 0}]},
        {"total": "-1.00"},
        {"total": "0.001"},
        {"customer_id": "x' OR 1=1"},
    ],
    ids=["empty", "order-id", "no-items", "no-pieces", "negative", "fraction-of-a-cent", "customer-id"],
)
async def test_event_that_is_not_what_it_says_is_parked(
    world: CustomerWorld, order: UUID, payload: dict[str, object]
) -> None:
    good = created(order)
    bad = good.model_copy(update={"payload": {**good.payload, **payload} if payload else {}})

    await world.hear(bad)

    assert await world.inbox_rows() == [("OrderCreated", True)]
    assert await world.told() == []
