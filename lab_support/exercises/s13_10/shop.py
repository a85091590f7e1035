"""The shop of these exercises: stock, sales, and the errors of a sale.

Section:
    13.10
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table

METADATA: Final = MetaData()

STOCK: Final = Table(
    "stock",
    METADATA,
    Column("sku", String(40), primary_key=True),
    Column("free", Integer, CheckConstraint("free >= 0"), nullable=False),
)

SALES: Final = Table(
    "sales",
    METADATA,
    Column("receipt", String(40), primary_key=True),
    Column("sku", String(40), nullable=False),
    Column("units", Integer, CheckConstraint("units > 0"), nullable=False),
)


class UnknownProductError(LookupError):
    """No product has this SKU."""

    def __init__(self, sku: str) -> None:
        self.sku = sku
        super().__init__(f"There is no product {sku}.")


class OutOfStockError(Exception):
    """There are fewer units than were asked for."""

    def __init__(self, sku: str, free: int) -> None:
        self.sku, self.free = sku, free
        super().__init__(f"Of {sku} there are {free} left.")
