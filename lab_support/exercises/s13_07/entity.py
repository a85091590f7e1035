"""The product that a repository on documents takes and gives.

Section:
    13.7.4
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bson import ObjectId


@dataclass(slots=True, kw_only=True)
class Product:
    """A product, whatever keeps it.

    Attributes:
        id: Given by the repository; None until then.
        price: Exact, with two decimals.
    """

    name: str
    price: Decimal
    description: str | None = None
    stock: int = 0
    is_available: bool = True
    id: ObjectId | None = None
