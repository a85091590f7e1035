"""What can go wrong in Inventory over HTTP; `api` turns each into a status.

    InventoryError
    └── StockNotFoundError  the warehouse has no such product

That an order can't have its pieces is no error: it is an answer, and travels as an event.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations


class InventoryError(Exception):
    """A request that Inventory understood and refused; its text may be shown to the caller."""


class StockNotFoundError(InventoryError):
    """The warehouse has no such product."""

    def __init__(self, sku: str) -> None:
        super().__init__(
            f"The warehouse has no product '{sku}'. GET /inventory/stock shows what there is; PUT adds it."
        )
        self.sku = sku
