"""What can go wrong for whoever asks Payments over HTTP.

    PaymentsError
    └── PaymentNotFoundError    no payment of this order is known

The provider's errors are in `provider`.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from uuid import UUID


class PaymentsError(Exception):
    """A request that Payments understood and refused; its text may be shown to the caller."""


class PaymentNotFoundError(PaymentsError):
    """Nobody has asked for a payment of this order, or not yet."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(
            f"Payments knows no payment of order {order_id}. Only orders by card have one, and it comes a moment "
            "after the order; ask again."
        )
        self.order_id = order_id
