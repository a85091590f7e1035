"""Between rows, events and what crosses HTTP: pure functions, no session.

Section:
    13.2, "Mapping, both ways"; 13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from lab_support.repositories import KeysetPage
from lab_support.services.orders.dtos import (
    JournalEntry,
    JournalPage,
    OrderLineRead,
    OrderPage,
    OrderRead,
    PriceRead,
    ReviewRead,
    TimelineEvent,
)
from lab_support.services.orders.entities import Order, OrderLine, Price, Review, TimelineEntry
from lab_support.services.orders.reading import Journal


def order_read(order: Order) -> OrderRead:
    """Show an order whose lines are loaded."""
    return OrderRead.model_validate(
        {
            "order_id": order.id,
            "saga_id": order.saga_id,
            "customer_id": order.customer_id,
            "pay_by": order.pay_by,
            "coordination": order.coordination,
            "status": order.status,
            "reason": order.reason,
            "failed_step": order.failed_step,
            "total": order.total,
            "delivery_note": order.delivery_note,
            "lines": [line_read(line) for line in order.lines],
            "deadline_at": order.deadline_at,
            "created_at": order.created_at,
            "updated_at": order.updated_at,
        }
    )


def order_page(page: KeysetPage[Order, UUID]) -> OrderPage:
    """Show a page of orders whose lines are loaded."""
    return OrderPage(items=[order_read(order) for order in page.items], next=page.next)


def journal_page(journal: Journal, limit: int) -> JournalPage:
    """Show a page of the journal."""
    items = [
        JournalEntry(
            position=entry.id,
            event_id=entry.event_id,
            order_id=entry.order_id,
            service=entry.service,
            type=entry.type,
            occurred_at=entry.occurred_at,
            recorded_at=entry.recorded_at,
            payload=entry.payload,
        )
        for entry in journal.entries
    ]
    return JournalPage(
        items=items, next=items[-1].position if len(items) == limit else None, last=journal.last
    )


def line_read(line: OrderLine) -> OrderLineRead:
    """Show one line of an order."""
    return OrderLineRead(sku=line.sku, quantity=line.quantity, unit_price=line.unit_price)


def timeline_events(entries: Sequence[TimelineEntry]) -> list[TimelineEvent]:
    """Show entries in their sequence, each with its cause by name."""
    types = {entry.event_id: entry.type for entry in entries}
    return [
        TimelineEvent(
            event_id=entry.event_id,
            service=entry.service,
            type=entry.type,
            occurred_at=entry.occurred_at,
            recorded_at=entry.recorded_at,
            causation_id=entry.causation_id,
            cause=None if entry.causation_id is None else types.get(entry.causation_id),
            payload=entry.payload,
        )
        for entry in entries
    ]


def review_read(review: Review) -> ReviewRead:
    """Show a review."""
    return ReviewRead(
        review_id=review.id,
        order_id=review.order_id,
        saga_id=review.saga_id,
        service=review.service,
        action=review.action,
        reason=review.reason,
        attempts=review.attempts,
        opened_at=review.opened_at,
        resolved_at=review.resolved_at,
        resolution=review.resolution,
        note=review.note,
    )


def price_read(price: Price) -> PriceRead:
    """Show what a piece costs."""
    return PriceRead(sku=price.sku, name=price.name, unit_price=price.unit_price)
