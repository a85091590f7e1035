"""Between the table, the API's words and the events of Payments: pure functions, no session.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from lab_support.messaging import Event
from lab_support.services.payments.dtos import PaymentRead, RefundRead
from lab_support.services.payments.entities import CompensationTask, Payment
from lab_support.services.payments.events import (
    EVENTS,
    TOPIC,
    CustomerVerified,
    NothingToCompensate,
    PaymentFailed,
    PaymentRefunded,
    PaymentSuccessful,
)
from lab_support.services.vocabulary import REFUND_PAYMENT, Payload


def payment_read(payment: Payment, refund: CompensationTask | None) -> PaymentRead:
    """Show a payment and its refund."""
    columns = {name: getattr(payment, name) for name in PaymentRead.model_fields if name != "refund"}
    shown = None if refund is None else RefundRead.model_validate(refund, from_attributes=True)
    return PaymentRead(**columns, refund=shown)


def succeeded(payment: Payment, cause: Event, *, amount: Decimal | None) -> Event:
    """Tell that a card was charged, with what the next service needs."""
    items = CustomerVerified.model_validate(payment.requested_by.payload).items
    told = {**_about(payment), "payment_id": payment.payment_id, "amount": amount, "items": items}
    return announcement(PaymentSuccessful.model_validate(told), payment.order_id, cause=cause)


def failed(payment: Payment, cause: Event, *, reason: str | None) -> Event:
    """Tell that a card was not charged."""
    told = PaymentFailed.model_validate({**_about(payment), "reason": reason})
    return announcement(told, payment.order_id, cause=cause)


def refunded(payment: Payment, **because: Any) -> Event:
    """Tell that the money was given back: what had been charged."""
    told = {**_about(payment), "payment_id": payment.payment_id, "amount": payment.amount}
    return announcement(PaymentRefunded.model_validate(told), payment.order_id, **because)


def nothing_to_refund(order_id: UUID, **because: Any) -> Event:
    """Tell that there is no money to give back."""
    told = NothingToCompensate(order_id=order_id, action=REFUND_PAYMENT)
    return announcement(told, order_id, **because)


def announcement(payload: Payload, order_id: object, **because: Any) -> Event:
    """Put what Payments tells into its envelope.

    Args:
        payload: One of its events.
        order_id: The order's id, which is also the payment's name outside.
        because: `cause`, or `saga_id` and `causation_id`.
    """
    return EVENTS.event(payload, aggregate_type=TOPIC, aggregate_id=order_id, **because)


def _about(payment: Payment) -> dict[str, Any]:
    return {"order_id": payment.order_id, "customer_id": payment.customer_id}
