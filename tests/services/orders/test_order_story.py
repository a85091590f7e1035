"""Why an order is where it is: one sentence for every state, from rows alone."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lab_support.services.orders.entities import Order, Review, TimelineEntry
from lab_support.services.orders.story import open_compensations, why
from lab_support.services.orders.timeline import in_causal_order
from tests.services.orders.taking_orders import NOON

REVIEW = UUID(int=7)


def an_order(**more: Any) -> Order:
    waiting = {
        "id": UUID(int=1),
        "pay_by": "credit",
        "coordination": "choreography",
        "status": "PENDING",
        "deadline_at": NOON + timedelta(seconds=30),
        "created_at": NOON,
        "updated_at": NOON + timedelta(seconds=31),
    }
    return Order(**{**waiting, **more})


def heard(type_: str, at: float = 0, **payload: Any) -> TimelineEntry:
    return TimelineEntry(
        event_id=uuid4(), type=type_, payload=payload, occurred_at=NOON + timedelta(seconds=at)
    )


def a_review(resolution: str | None = None) -> Review:
    return Review(
        id=REVIEW,
        service="payments",
        action="refund-payment",
        reason="PROVIDER_UNAVAILABLE",
        attempts=5,
        resolution=resolution,
        resolved_at=None if resolution is None else NOON,
    )


FAILED: dict[str, Any] = {
    "pay_by": "card",
    "status": "FAILED_INVENTORY",
    "failed_step": "reserve-stock",
    "reason": "OUT_OF_STOCK",
}
ASKED = heard("OrderFailed", compensate=["refund-payment"])


@pytest.mark.parametrize(
    ("order", "timeline", "reviews", "sentence"),
    [
        (
            an_order(),
            [heard("OrderCreated", 9.9)],
            [],
            "The order waits for Customers: it was taken just now, and no answer came yet; it fails at 12:00:30 UTC.",
        ),
        (
            an_order(),
            [heard("CustomerCreditReserved", 7), heard("OrderCreated")],
            [],
            "The order waits for Inventory: credit was reserved 3 s ago, and no answer came yet; "
            "it fails at 12:00:30 UTC.",
        ),
        (
            an_order(pay_by="card", status="PENDING_PAYMENT", coordination="orchestration"),
            [heard("OrderCreated"), heard("CustomerVerified", 2)],
            [],
            "The order waits for Payments: the buyer was verified 8 s ago, and no answer came yet; "
            "the orchestrator asks again, and in the end has everything undone.",
        ),
        (
            an_order(pay_by="card", status="PENDING_PAYMENT", deadline_at=NOON),
            [heard("OrderCreated"), heard("PaymentSuccessful", 5)],
            [],
            "The order waits for Inventory: the card was charged 5 s ago, and no answer came yet; "
            "its deadline was 12:00:00 UTC, so it fails any moment.",
        ),
        (an_order(status="APPROVED"), [], [], "The order stands: its credit and its stock are reserved."),
        (an_order(status="CONFIRMED"), [], [], "The order stands: it is paid, and its stock is reserved."),
        (
            an_order(**FAILED),
            [ASKED],
            [],
            "The order failed at reserve-stock (OUT_OF_STOCK); "
            "refund-payment is asked for and not confirmed yet.",
        ),
        (
            an_order(**FAILED),
            [heard("PaymentRefunded"), ASKED],
            [],
            "The order failed at reserve-stock (OUT_OF_STOCK); everything was made good.",
        ),
        (
            an_order(**FAILED),
            [ASKED, heard("CompensationFailed")],
            [a_review()],
            "The order failed at reserve-stock (OUT_OF_STOCK); refund-payment at payments failed 5 time(s) "
            f"(PROVIDER_UNAVAILABLE) and waits for a person, in review {REVIEW}.",
        ),
        (
            an_order(**FAILED),
            [ASKED, heard("CompensationFailed")],
            [a_review("settled")],
            "The order failed at reserve-stock (OUT_OF_STOCK); everything was made good.",
        ),
        (
            an_order(**FAILED),
            [ASKED, heard("CompensationFailed")],
            [a_review("retry")],
            "The order failed at reserve-stock (OUT_OF_STOCK); "
            "refund-payment is asked for and not confirmed yet.",
        ),
        (
            an_order(status="FAILED_NO_CREDIT", failed_step="reserve-credit", reason="CREDIT_LIMIT_EXCEEDED"),
            [heard("OrderFailed", compensate=[])],
            [],
            "The order failed at reserve-credit (CREDIT_LIMIT_EXCEEDED); there is nothing to make good.",
        ),
        (
            an_order(status="FAILED_DEADLINE", failed_step="reserve-stock", reason="DEADLINE"),
            [heard("OrderFailed", compensate=["release-stock", "release-credit"])],
            [],
            "The order failed at 12:00:31 UTC, because reserve-stock got no answer in time; "
            "release-credit and release-stock are asked for and not confirmed yet.",
        ),
    ],
    ids=[
        "taken",
        "credit",
        "orchestrated",
        "overdue",
        "approved",
        "confirmed",
        "asked",
        "done",
        "review",
        "settled",
        "retried",
        "nothing",
        "deadline",
    ],
)
def test_story_tells_why(
    order: Order, timeline: list[TimelineEntry], reviews: list[Review], sentence: str
) -> None:
    """The sentence names who has to act, since when, and what happens else."""
    assert why(order, timeline, reviews, NOON + timedelta(seconds=10)) == sentence


def test_compensations_are_open_until_each_is_answered() -> None:
    """An answer closes its own action, NothingToCompensate the one it names; a command opens one too."""
    asked = [heard("OrderFailed", compensate=["release-stock", "release-credit"]), heard("RefundPayment")]

    assert open_compensations(asked, []) == ["refund-payment", "release-credit", "release-stock"]
    answered = [*asked, heard("NothingToCompensate", action="release-stock"), heard("CustomerCreditReleased")]
    assert open_compensations(answered, []) == ["refund-payment"]
    assert open_compensations(answered, [a_review()]) == []


def test_effects_are_told_after_their_causes() -> None:
    """Events that overtook their cause are put behind it; forged circles end, and nothing is lost or doubled."""
    first, second, third = (
        heard(name) for name in ("OrderCreated", "CustomerCreditReserved", "StockReserved")
    )
    second.causation_id, third.causation_id = first.event_id, second.event_id
    stranger = heard("CustomerCreditReleased")
    stranger.causation_id = uuid4()
    one, other = heard("Chicken"), heard("Egg")
    one.causation_id, other.causation_id = other.event_id, one.event_id

    ordered = in_causal_order([third, stranger, second, one, other, first])

    assert [entry.type for entry in ordered] == [
        "CustomerCreditReleased",
        "OrderCreated",
        "CustomerCreditReserved",
        "StockReserved",
        "Chicken",
        "Egg",
    ]
