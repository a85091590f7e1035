"""What Inventory does about events, in the order in which they should come and in others."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from lab_support.database import InjectedError, fault
from lab_support.messaging import Event
from tests.services.inventory.stock_world import StockWorld, credit_reserved, failed, paid, resolved

RELEASE = "release-stock"
BOTH = {"LAMP-7": 2, "DESK-1": 1}
Asked = Callable[..., Event]


@pytest.fixture
def order() -> UUID:
    return uuid4()


@pytest.mark.parametrize(
    ("asked", "answer"), [(credit_reserved, "StockReserved"), (paid, "InventoryReserved")]
)
async def test_all_pieces_are_reserved_and_told(
    world: StockWorld, order: UUID, asked: Asked, answer: str
) -> None:
    cause = asked(order, BOTH)

    await world.hear(cause)

    assert await world.available("LAMP-7", "DESK-1") == [3, 2]
    [(topic, event)] = await world.announced()
    assert (topic, event.type, event.aggregate_id) == ("stock", answer, str(order))
    assert (event.saga_id, event.causation_id) == (cause.saga_id, cause.event_id)
    assert event.payload == {
        "order_id": str(order),
        "items": [{"sku": "DESK-1", "quantity": 1}, {"sku": "LAMP-7", "quantity": 2}],
    }


@pytest.mark.parametrize(
    ("asked", "answer"), [(credit_reserved, "StockUnavailable"), (paid, "InventoryReservationFailed")]
)
@pytest.mark.parametrize(
    ("pieces", "sku", "reason"),
    [
        ({"LAMP-7": 6}, "LAMP-7", "OUT_OF_STOCK"),
        ({"DESK-1": 1, "LAMP-7": 6}, "LAMP-7", "OUT_OF_STOCK"),
        ({"LAMP-7": 6, "DESK-1": 4}, "DESK-1", "OUT_OF_STOCK"),
        ({"DESK-1": 1, "NONE-1": 1}, "NONE-1", "UNKNOWN_SKU"),
        ({"DESK-1": 1, "OLD-1": 1}, "OLD-1", "DISCONTINUED"),
    ],
    ids=["alone", "after-another", "first-of-two", "unknown", "discontinued"],
)
async def test_order_that_lacks_one_product_gets_none(
    world: StockWorld, order: UUID, asked: Asked, answer: str, pieces: dict[str, int], sku: str, reason: str
) -> None:
    """The first product that is lacking, in the order of the skus, is named."""
    await world.hear(asked(order, pieces))

    assert await world.available("LAMP-7", "DESK-1") == [5, 3]
    assert await world.about(order) == ("REFUSED", [answer], None)
    [(_topic, event)] = await world.announced()
    assert event.payload == {"order_id": str(order), "sku": sku, "reason": reason}


async def test_lines_of_one_product_are_added_up(world: StockWorld, order: UUID) -> None:
    event = credit_reserved(order)
    twice = event.model_copy(update={"payload": {**event.payload, "items": event.payload["items"] * 3}})  # type: ignore[operator]

    await world.hear(twice)

    assert await world.available("LAMP-7") == [2]


async def test_repeated_event_reserves_once(world: StockWorld, order: UUID) -> None:
    event = paid(order)

    await world.hear(event, event, event)

    assert await world.available("LAMP-7") == [4]
    assert await world.told() == ["InventoryReserved"]


async def test_second_event_about_an_order_reserves_nothing_more(world: StockWorld, order: UUID) -> None:
    await world.hear(paid(order), paid(order, BOTH))

    assert await world.available("LAMP-7", "DESK-1") == [4, 3]
    assert await world.told() == ["InventoryReserved"]


async def test_failed_order_gives_its_pieces_back_once(world: StockWorld, order: UUID) -> None:
    await world.hear(paid(order, BOTH), failed(order, RELEASE), failed(order, RELEASE))
    await world.compensate()
    await world.hear(failed(order, RELEASE))
    await world.compensate()

    assert await world.available("LAMP-7", "DESK-1") == [5, 3]
    assert await world.about(order) == ("RELEASED", ["InventoryReserved", "StockReleased"], "DONE")


async def test_failure_that_names_other_compensations_is_not_ours(world: StockWorld, order: UUID) -> None:
    await world.hear(paid(order), failed(order, "refund-payment"))
    await world.compensate()

    assert await world.about(order) == ("RESERVED", ["InventoryReserved"], None)


async def test_release_before_the_reservation_keeps_it_from_happening(world: StockWorld, order: UUID) -> None:
    await world.hear(failed(order, RELEASE))
    await world.compensate()
    await world.hear(paid(order))

    assert await world.about(order) == ("CANCELLED", ["NothingToCompensate"], "DONE")
    assert await world.available("LAMP-7") == [5]


async def test_release_promised_before_the_reservation_ends_it(world: StockWorld, order: UUID) -> None:
    await world.hear(failed(order, RELEASE), paid(order))
    await world.compensate()

    assert await world.status(order) == "RELEASED"
    assert await world.available("LAMP-7") == [5]


async def test_refused_order_has_nothing_to_release(world: StockWorld, order: UUID) -> None:
    await world.hear(paid(order, {"LAMP-7": 6}), failed(order, RELEASE))
    await world.compensate()

    assert await world.about(order) == (
        "REFUSED",
        ["InventoryReservationFailed", "NothingToCompensate"],
        "DONE",
    )


async def moved_on(world: StockWorld, order: UUID, how: str) -> None:
    """Reserve lamps and a desk; then the lamps leave the warehouse, and the order fails."""
    await world.hear(paid(order, BOTH))
    if how == "deleted":
        await world.remove("LAMP-7")
    else:
        await world.change("LAMP-7", discontinued=True)
    await world.hear(failed(order, RELEASE))
    await world.compensate()


@pytest.mark.parametrize("how", ["deleted", "discontinued"])
async def test_product_that_left_the_warehouse_is_a_case_for_a_person(
    world: StockWorld, order: UUID, how: str
) -> None:
    """Nothing is put back, the other product neither; it is not tried again by itself."""
    await moved_on(world, order, how)

    assert await world.compensate() == 0
    assert await world.available("DESK-1") == [2]
    assert await world.status(order) == "RESERVED"
    assert await world.task(order) == ("REQUIRES_REVIEW", 1, "PRODUCT_GONE")
    _topic, event = (await world.announced(order))[-1]
    assert event.type == "CompensationFailed"
    assert event.payload == {
        "order_id": str(order),
        "service": "inventory",
        "action": RELEASE,
        "reason": "PRODUCT_GONE",
        "attempts": 1,
    }


async def test_retry_decided_by_a_person_puts_all_back(world: StockWorld, order: UUID) -> None:
    await moved_on(world, order, "discontinued")
    await world.change("LAMP-7", discontinued=False)

    decision = resolved(order, "retry")
    await world.hear(decision, decision)
    await world.compensate()

    assert await world.available("LAMP-7", "DESK-1") == [5, 3]
    assert (await world.about(order))[2] == "DONE"


async def test_retry_that_is_refused_again_is_shown_again(world: StockWorld, order: UUID) -> None:
    await moved_on(world, order, "deleted")

    await world.hear(resolved(order, "retry"))
    await world.compensate()

    assert (await world.about(order))[1:] == (
        ["InventoryReserved", "CompensationFailed", "CompensationFailed"],
        "REQUIRES_REVIEW",
    )


async def test_settled_reservation_is_never_released(world: StockWorld, order: UUID) -> None:
    await moved_on(world, order, "deleted")

    await world.hear(resolved(order, "settled"), resolved(order, "retry"))

    assert await world.compensate() == 0
    assert (await world.status(order), (await world.about(order))[2]) == ("SETTLED", "SETTLED")
    assert await world.reserved("LAMP-7") == [0]


async def test_release_that_is_done_again_gives_back_nothing_more(world: StockWorld, order: UUID) -> None:
    await world.hear(paid(order), failed(order, RELEASE))
    await world.compensate()
    await world.reopen(order)
    await world.compensate()

    assert await world.available("LAMP-7") == [5]
    assert (await world.about(order))[0] == "RELEASED"


async def test_decision_without_a_review_leaves_the_reservation(world: StockWorld, order: UUID) -> None:
    await world.hear(paid(order), resolved(order, "settled"))

    assert await world.status(order) == "RESERVED"


async def test_decision_about_another_service_is_not_ours(world: StockWorld, order: UUID) -> None:
    await moved_on(world, order, "deleted")

    await world.hear(resolved(order, "settled", service="customers"))

    assert (await world.about(order))[2] == "REQUIRES_REVIEW"


async def test_failing_release_is_tried_again_later_and_then_shown_to_a_person(
    world: StockWorld, order: UUID
) -> None:
    await world.hear(paid(order), failed(order, RELEASE))

    for attempt, wait_s in ((1, 2.0), (2, 4.0), (3, 0.0)):
        with fault(world.engine, after_statement=6, error=InjectedError("the disk is full")):
            assert await world.compensate_once() == 1
        assert (await world.task(order) or ("", 0))[1] == attempt
        world.clock.advance(wait_s - 0.001)
        assert await world.compensate_once() == 0
        world.clock.advance(0.001)

    assert await world.available("LAMP-7") == [4]
    assert (await world.about(order))[1:] == (
        ["InventoryReserved", "CompensationFailed"],
        "REQUIRES_REVIEW",
    )


async def test_promise_wakes_the_worker_that_keeps_it(world: StockWorld, order: UUID) -> None:
    worker: Any = world.participant.workers[0]
    await world.hear(paid(order))
    before = worker._woken.is_set()

    await world.hear(failed(order, RELEASE))

    assert (before, worker._woken.is_set()) == (False, True)


async def test_events_it_has_no_use_for_leave_no_row(world: StockWorld) -> None:
    await world.hear(Event(type="CustomerVerified", aggregate_type="customer", aggregate_id="1", payload={}))

    assert await world.inbox_rows() == []


@pytest.mark.parametrize(
    "items",
    [None, [], [{"sku": "LAMP-7", "quantity": 0}], [{"sku": "LAMP-7", "quantity": -5}], [{"sku": "x"}]],
    ids=["none", "empty", "zero", "negative", "no-sku"],
)
async def test_event_that_is_not_what_it_says_is_parked(world: StockWorld, order: UUID, items: Any) -> None:
    good = paid(order)

    await world.hear(good.model_copy(update={"payload": {**good.payload, "items": items}}))

    assert await world.inbox_rows() == [("PaymentSuccessful", True)]
    assert await world.available("LAMP-7") == [5]
