"""How an order ends: its row and the event that tells of it, in the caller's transaction, once.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "What a failure event must carry"
"""

from __future__ import annotations

from datetime import datetime

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.services.orders.entities import Order
from lab_support.services.orders.events import EVENTS, TOPIC, OrderApproved, OrderConfirmed, OrderFailed
from lab_support.services.orders.repository import OrderFacts
from lab_support.services.orders.states import APPROVED, Ending
from lab_support.services.vocabulary import Payload


def announce_end(
    uow: UnitOfWork, order: Order | OrderFacts, ending: Ending, *, now: datetime, cause: Event | None = None
) -> None:
    """Tell everybody how an order has ended; its row says so already."""
    event = EVENTS.event(
        _payload(order, ending),
        aggregate_type=TOPIC,
        aggregate_id=order.id,
        saga_id=order.saga_id,
        causation_id=None if cause is None else cause.event_id,
        occurred_at=now,
    )
    uow.announce(event)


def _payload(order: Order | OrderFacts, ending: Ending) -> Payload:
    if ending.failed_step is None:
        ended = OrderApproved if ending.status == APPROVED else OrderConfirmed
        return ended(order_id=order.id, customer_id=order.customer_id)
    return OrderFailed(
        order_id=order.id,
        customer_id=order.customer_id,
        failed_step=ending.failed_step,
        reason=ending.reason or ending.status,
        compensate=list(ending.compensate),
    )
