"""Why an order is where it is: one sentence, from what Orders knows.

Section:
    13.6, "Why is this order still pending?"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from lab_support.sagas.decide import DEADLINE
from lab_support.services.orders.entities import Order, Review, TimelineEntry
from lab_support.services.orders.states import APPROVED, CONFIRMED, WAITING
from lab_support.services.vocabulary import REFUND_PAYMENT, RELEASE_CREDIT, RELEASE_STOCK

_WAITS_FOR: Final = MappingProxyType(
    {
        "credit": (
            ("CustomerCreditReserved", "Inventory", "credit was reserved"),
            ("OrderCreated", "Customers", "it was taken"),
        ),
        "card": (
            ("PaymentSuccessful", "Inventory", "the card was charged"),
            ("CustomerVerified", "Payments", "the buyer was verified"),
            ("OrderCreated", "Customers", "it was taken"),
        ),
    }
)
"""By the latest good news: who has to answer next, and what was heard."""

_GOOD: Final = MappingProxyType(
    {
        APPROVED: "The order stands: its credit and its stock are reserved.",
        CONFIRMED: "The order stands: it is paid, and its stock is reserved.",
    }
)
_ASKED_BY: Final = MappingProxyType(
    {"ReleaseCredit": RELEASE_CREDIT, "RefundPayment": REFUND_PAYMENT, "ReleaseStock": RELEASE_STOCK}
)
_DONE_BY: Final = MappingProxyType(
    {
        "CustomerCreditReleased": RELEASE_CREDIT,
        "PaymentRefunded": REFUND_PAYMENT,
        "StockReleased": RELEASE_STOCK,
    }
)


def why(order: Order, timeline: Sequence[TimelineEntry], reviews: Sequence[Review], now: datetime) -> str:
    """Say in one sentence why an order is where it is.

    Args:
        order: As it is now.
        timeline: All its events; their sequence does not matter.
        reviews: All its reviews.
        now: This moment, aware.
    """
    if order.status in WAITING:
        return _waiting(order, timeline, now)
    if order.status in _GOOD:
        return _GOOD[order.status]
    return f"The order failed{_at(order)}; {_made_good(timeline, reviews)}."


def open_compensations(timeline: Sequence[TimelineEntry], reviews: Sequence[Review]) -> list[str]:
    """Name what has to be made good and is not yet, as far as was heard; what is in review is not among it."""
    asked = {action for entry in timeline for action in _asked(entry)}
    in_review = {review.action for review in reviews if review.resolved_at is None}
    return sorted(asked - _finished(timeline, reviews) - in_review)


def _waiting(order: Order, timeline: Sequence[TimelineEntry], now: datetime) -> str:
    heard = {entry.type: entry.occurred_at for entry in timeline}
    news = [
        (service, told, heard[type_]) for type_, service, told in _WAITS_FOR[order.pay_by] if type_ in heard
    ]
    service, told, at = (news or [("Customers", "it was taken", order.created_at)])[0]
    return f"The order waits for {service}: {told} {_ago(now, at)}, and no answer came yet; {_until(order, now)}."


def _until(order: Order, now: datetime) -> str:
    if order.coordination == "orchestration":
        return "the orchestrator asks again, and in the end has everything undone"
    at = f"{order.deadline_at:%H:%M:%S} UTC"
    return (
        f"it fails at {at}" if now < order.deadline_at else f"its deadline was {at}, so it fails any moment"
    )


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0.0, (now - then).total_seconds())
    return f"{seconds:.0f} s ago" if seconds >= 1 else "just now"


def _at(order: Order) -> str:
    if order.reason == DEADLINE:
        return f" at {order.updated_at:%H:%M:%S} UTC, because {order.failed_step} got no answer in time"
    return f" at {order.failed_step} ({order.reason})"


def _made_good(timeline: Sequence[TimelineEntry], reviews: Sequence[Review]) -> str:
    parts = [
        f"{one.action} at {one.service} failed {one.attempts} time(s) ({one.reason}) and waits for a person, "
        f"in review {one.id}"
        for one in reviews
        if one.resolved_at is None
    ]
    if still_open := open_compensations(timeline, reviews):
        verb = "is" if len(still_open) == 1 else "are"
        parts.append(f"{' and '.join(still_open)} {verb} asked for and not confirmed yet")
    if parts:
        return "; ".join(parts)
    finished = _finished(timeline, reviews)
    return "everything was made good" if finished else "there is nothing to make good"


def _asked(entry: TimelineEntry) -> Iterator[str]:
    if entry.type == "OrderFailed":
        yield from entry.payload.get("compensate", ())
    elif entry.type in _ASKED_BY:
        yield _ASKED_BY[entry.type]


def _finished(timeline: Sequence[TimelineEntry], reviews: Sequence[Review]) -> set[str]:
    done = {_DONE_BY[entry.type] for entry in timeline if entry.type in _DONE_BY}
    done |= {entry.payload["action"] for entry in timeline if entry.type == "NothingToCompensate"}
    return done | {review.action for review in reviews if review.resolution == "settled"}
