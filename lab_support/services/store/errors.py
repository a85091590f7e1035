"""What can go wrong in the store, in the words of a shop; `api` turns each into an HTTP status.

    StoreError
    ├── ProductNotFoundError       no product has this id
    ├── ProductInUseError          orders refer to the product, so it can't be deleted
    ├── EmptyUpdateError           a partial update that names no field
    ├── CursorError                a page is asked for with a cursor that was not given for it
    ├── UserNotFoundError          no user has this id
    ├── EmailTakenError            somebody else has this e-mail address
    ├── OrderNotFoundError         no order has this id
    ├── InvalidOrderError          nobody could ever place such an order
    ├── ProductUnavailableError    the product is not for sale
    ├── ProductOutOfStockError     fewer pieces are left than were ordered
    ├── InsufficientPaymentError   the user's balance is smaller than the price
    └── IdempotencyKeyReusedError  the key was sent with another order before

Section:
    13.1, "CRUD over HTTP"; 13.4, "A use case: book seats"
"""

from __future__ import annotations

from decimal import Decimal


class StoreError(Exception):
    """A request that the store understood and refused; its text may be shown to the caller."""


class ProductNotFoundError(StoreError):
    """No product has this id."""

    def __init__(self, product_id: int) -> None:
        super().__init__(
            f"The store has no product {product_id}; GET the list of products to see which there are."
        )
        self.product_id = product_id


class ProductInUseError(StoreError):
    """Order items refer to the product."""

    def __init__(self, product_id: int) -> None:
        super().__init__(
            f"Product {product_id} is part of at least one order, so it can't be deleted. "
            'To stop selling it, PATCH it with {"is_available": false}.'
        )
        self.product_id = product_id


class EmptyUpdateError(StoreError):
    """A partial update without a single field."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"Nothing to change in product {product_id}: send at least one field.")
        self.product_id = product_id


class CursorError(StoreError):
    """The store gave no such cursor for this search."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Begin at the first page: leave `after` out.")


class UserNotFoundError(StoreError):
    """No user has this id."""

    def __init__(self, user_id: int) -> None:
        super().__init__(f"The store has no user {user_id}.")
        self.user_id = user_id


class EmailTakenError(StoreError):
    """Another user has this address; it is not repeated, in case somebody logs the answer."""

    def __init__(self) -> None:
        super().__init__("There is a user with this e-mail address already; use another address.")


class OrderNotFoundError(StoreError):
    """No order has this id."""

    def __init__(self, order_id: int) -> None:
        super().__init__(f"The store has no order {order_id}.")
        self.order_id = order_id


class InvalidOrderError(StoreError):
    """The order breaks a rule that holds for every order; the text names it."""


class ProductUnavailableError(StoreError):
    """The product exists and is not for sale."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"Product {product_id} is not for sale now. Nothing was ordered; leave it out.")
        self.product_id = product_id


class ProductOutOfStockError(StoreError):
    """The shelf holds fewer pieces than were ordered."""

    def __init__(self, product_id: int, quantity: int) -> None:
        super().__init__(
            f"There are fewer than {quantity} pieces of product {product_id} left. Nothing was ordered; "
            "order fewer, or come back later."
        )
        self.product_id = product_id
        self.quantity = quantity


class InsufficientPaymentError(StoreError):
    """The user can't pay the order; the text keeps the balance to itself."""

    def __init__(self, user_id: int, price: Decimal) -> None:
        super().__init__(
            f"The order costs {price:.2f}, which is more than user {user_id} can pay. Nothing was ordered."
        )
        self.user_id = user_id
        self.price = price


class IdempotencyKeyReusedError(StoreError):
    """A key names one order, for good."""

    def __init__(self) -> None:
        super().__init__("This idempotency key was sent with another order before; give each order its own.")
