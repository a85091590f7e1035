"""The projection: what each event changes in a summary, in whatever order events come and however often."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_support.services.gateway import events
from lab_support.services.gateway.entities import OrderSummary
from lab_support.services.gateway.events import READ
from lab_support.services.gateway.projection import Fact, apply, blank, fact_of

ORDER = UUID(int=1)
BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "order_id": ORDER,
    "customer_id": "ada",
    "pay_by": "card",
    "total": Decimal("49.80"),
    "items": [{"sku": "LAMP-7", "quantity": 2}],
    "reason": "OUT_OF_STOCK",
}


def payload(model: type[Any], **more: Any) -> Any:
    given = {name: value for name, value in (FIELDS | more).items() if name in model.model_fields}
    return model.model_validate(given)


def fact(model: type[Any], second: int = 0, **more: Any) -> Fact:
    at = BEGIN + timedelta(seconds=second)
    return fact_of(payload(model, **more), service="orders", occurred_at=at, heard_at=at)


def summary(*facts: Fact) -> OrderSummary:
    """Give what facts make of a summary, in this order."""
    made = OrderSummary(**blank(1, facts[0]))
    for one in facts:
        apply(one, made)
    return made


def shown(made: OrderSummary) -> dict[str, Any]:
    columns = OrderSummary.__table__.columns.keys()
    return {name: getattr(made, name) for name in columns}


COMPENSATION = {"action": "refund-payment", "resolution": "settled"}
STORIES: list[list[Fact]] = [
    [fact(events.OrderCreated), fact(events.OrderConfirmed, 5)],
    [fact(events.OrderCreated), fact(events.OrderFailed, 5)],
    [fact(events.CustomerVerified, 1)],
    [fact(events.CustomerCreditReserved, 1), fact(events.CustomerCreditReleased, 6)],
    [
        fact(events.PaymentSuccessful, 2),
        fact(events.CompensationFailed, 7, **COMPENSATION),
        fact(events.PaymentRefunded, 9),
    ],
    [
        fact(events.PaymentFailed, 2),
        fact(events.CompensationFailed, 7, **COMPENSATION),
        fact(events.ReviewResolved, 9, **COMPENSATION),
    ],
    [fact(events.InventoryReserved, 3), fact(events.StockReleased, 8)],
    [fact(events.StockUnavailable, 3), fact(events.NothingToCompensate, 8, action="release-stock")],
]
"""What can happen to one part of an order, in the order in which it happens."""


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_order_and_repetition_of_events_do_not_matter(data: st.DataObject) -> None:
    """Any shuffle of what happened, with copies, ends in the same summary as the thing itself."""
    kinds = {"order": STORIES[:2], "credit": STORIES[2:4], "payment": STORIES[4:6], "stock": STORIES[6:]}
    happened = [one for choices in kinds.values() for one in data.draw(st.sampled_from(choices))]
    happened.sort(key=lambda one: one.happened_at)
    copies = data.draw(st.lists(st.sampled_from(happened), max_size=5))
    heard = data.draw(st.permutations([*happened, *copies]))

    assert shown(summary(*heard)) == shown(summary(*happened))


@pytest.mark.parametrize("story", STORIES, ids=range(len(STORIES)))
def test_last_event_of_a_story_decides(story: list[Fact]) -> None:
    """Whatever came before."""
    last = story[-1]
    assert last.story is not None
    column = "status" if last.story == "order" else last.story

    assert getattr(summary(*story), column) == last.status
    assert getattr(summary(*reversed(story)), column) == last.status


@pytest.mark.parametrize("model", READ)
def test_each_event_that_is_read_has_a_meaning(model: type[Any]) -> None:
    """A type that is registered and forgotten in the projection would fail at its first event."""
    told = fact(model, action="release-credit", resolution="settled")

    assert told.order_id == ORDER
    assert told.story is not None
    assert 0 < len(told.status) <= 20


def test_what_an_order_is_about_is_there_although_its_end_came_first() -> None:
    """The end says nothing about products and price; the beginning does, however late."""
    made = summary(fact(events.OrderConfirmed, 5), fact(events.OrderCreated))

    assert made.status == "CONFIRMED"
    assert made.total == Decimal("49.80")
    assert made.items == [{"sku": "LAMP-7", "quantity": 2}]
    assert made.ordered_at == BEGIN


def test_decision_to_try_again_changes_no_status() -> None:
    """The compensation is still in review until it has worked."""
    made = summary(
        fact(events.CompensationFailed, action="refund-payment"),
        fact(events.ReviewResolved, 1, action="refund-payment", resolution="retry"),
    )
    assert made.payment == "IN_REVIEW"


def test_event_from_the_future_happened_when_it_was_heard() -> None:
    """A teller whose clock is a year ahead must not make the read model look fresh for a year."""
    told = fact_of(
        payload(events.OrderApproved),
        service="orders",
        occurred_at=BEGIN + timedelta(days=365),
        heard_at=BEGIN,
    )
    assert told.happened_at == BEGIN
