"""What can go wrong in the gateway; `api` turns each into a status.

    GatewayError
    ├── OrderUnknownError       Orders has no such order
    ├── OrdersUnavailableError  Orders can't be asked now, or gave no usable answer
    ├── OrdersTooSlowError      Orders did not answer within the deadline
    └── SummaryNotFoundError    the read model has not heard of the order
    NoAnswerError               one call to a service brought nothing; it becomes a part that is missing
    RebuildOvertakenError       another rebuild has begun meanwhile

Section:
    13.9, "API composition"
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

Reason = Literal["unreachable", "too-slow", "circuit-open", "failed", "garbage", "not-found"]
"""Why a part is missing.

`unreachable`: nobody is there, or nobody said where. `too-slow`: no answer within the deadline. `circuit-open`: it
failed so often that it is left alone for a while. `failed`: it answered that it can't. `garbage`: its answer can't be
understood. `not-found`: it knows nothing of it.
"""


class NoAnswerError(Exception):
    """A service was to be asked, and there is no answer that could be used."""

    def __init__(self, service: str, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{service}: {reason}{f' ({detail})' if detail else ''}")
        self.service, self.reason = service, reason


class GatewayError(Exception):
    """A request that the gateway understood and can't answer as asked; its text may be shown to the caller."""


class OrderUnknownError(GatewayError):
    """Orders has no such order."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id


class OrdersUnavailableError(GatewayError):
    """Without Orders there is nothing to show."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(
            f"The service 'orders' gives no usable answer now ({reason}); try again in a moment."
        )
        self.reason = reason


class OrdersTooSlowError(GatewayError):
    """Orders has not answered within the deadline."""

    def __init__(self) -> None:
        super().__init__("The service 'orders' did not answer within the deadline.")


class SummaryNotFoundError(GatewayError):
    """The read model has not heard of the order, or not yet."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(
            f"The summaries know nothing of order {order_id}, or not yet. GET /shop/orders/{order_id} asks Orders "
            "itself."
        )
        self.order_id = order_id


class RebuildOvertakenError(Exception):
    """Another rebuild of the read model has begun after this one, and goes on in its place."""

    def __init__(self) -> None:
        super().__init__(
            "Another rebuild of order-summaries has begun after this one and goes on; this one has changed nothing."
        )
