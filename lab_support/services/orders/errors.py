"""What can go wrong in Orders, in the words of a shop; `api` turns each into an HTTP status.

    OrdersError
    ├── OrderNotFoundError         no order has this id
    ├── UnknownSkuError            the price list lacks a product
    ├── InvalidOrderError          nobody could ever place such an order
    ├── IdempotencyKeyReusedError  the key was sent with another order before
    ├── OrderLockedError           the saga still works on the order
    ├── ReviewNotFoundError        no review has this id
    └── ReviewResolvedError        somebody has decided about the review already

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "A person's queue"
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

_MOST_NAMED = 5


class OrdersError(Exception):
    """A request that Orders understood and refused; its text may be shown to the caller."""


class OrderNotFoundError(OrdersError):
    """No order has this id."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id


class UnknownSkuError(OrdersError):
    """The price list lacks some of the products."""

    def __init__(self, skus: Collection[str]) -> None:
        self.skus = sorted(skus)
        named = ", ".join(self.skus[:_MOST_NAMED]) + (", …" if len(self.skus) > _MOST_NAMED else "")
        super().__init__(f"Nothing is sold under: {named}. Nothing was ordered; GET /prices lists what is.")


class InvalidOrderError(OrdersError):
    """The order breaks a rule that holds for every order; the text names it."""


class IdempotencyKeyReusedError(OrdersError):
    """A key names one order, for good."""

    def __init__(self) -> None:
        super().__init__("This idempotency key was sent with another order before; give each order its own.")


class OrderLockedError(OrdersError):
    """The saga has not ended, and until then the order is its own."""

    def __init__(self, order_id: UUID, status: str) -> None:
        super().__init__(
            f"Order {order_id} is {status}: it cannot be changed before that is decided. Try again in a moment."
        )
        self.order_id = order_id
        self.status = status


class ReviewNotFoundError(OrdersError):
    """No review has this id."""

    def __init__(self, review_id: UUID) -> None:
        super().__init__(f"There is no review {review_id}; GET /orders/reviews lists them.")
        self.review_id = review_id


class ReviewResolvedError(OrdersError):
    """A review is decided once."""

    def __init__(self, review_id: UUID, resolution: str | None) -> None:
        super().__init__(f"Review {review_id} was decided before: {resolution}. Nothing was changed.")
        self.review_id = review_id
        self.resolution = resolution
