"""What can go wrong in the store, in the words of a shop; `api.py` turns each into an HTTP status.

    StoreError
    ├── ProductNotFoundError  no product has this id
    ├── ProductInUseError     orders refer to the product, so it can't be deleted
    └── EmptyUpdateError      a partial update that names no field

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations


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
