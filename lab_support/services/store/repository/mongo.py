"""The store's products as documents: the same answers as from tables, through either driver of MongoDB.

Section:
    13.7, "Behind the contract of 13.3"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bson import Decimal128

from lab_support.database import utc_now
from lab_support.documents.types import Collection, Document
from lab_support.repositories import KeysetPage
from lab_support.repositories.mapped_documents import MappedDocuments
from lab_support.repositories.mongo import MongoRepository
from lab_support.services.store.entities import Product
from lab_support.services.store.repository.protocols import ProductRepository, ProductSearch

_TIMES = {"created_at": utc_now, "updated_at": utc_now}


class MongoProductRepository(MongoRepository[Product, int]):
    """Products in a collection; every condition is the database's work."""

    def __init__(self, collection: Collection) -> None:
        super().__init__(
            collection,
            MappedDocuments(
                Product,
                defaults={
                    "category": lambda: "general",
                    "stock": int,
                    "is_available": lambda: True,
                    **_TIMES,
                },
                on_update={"updated_at": utc_now},
            ),
        )

    async def get_by_name(self, name: str, /) -> Product | None:
        """Give the oldest product with exactly this name."""
        return await self._first({"name": {"$eq": name}})

    async def find(self, search: ProductSearch, /, *, skip: int = 0, limit: int = 100) -> Sequence[Product]:
        """Give at most `limit` of the products meant, after leaving out `skip`."""
        return await self._find(meant(search), skip=skip, limit=limit)

    async def page(
        self, search: ProductSearch, /, *, after: int | None = None, limit: int = 100
    ) -> KeysetPage[Product, int]:
        """Give at most `limit` of the products meant, from those with an id above `after`."""
        return await self._page(meant(search), after=after, limit=limit)


def meant(search: ProductSearch) -> Document:
    """Say in MongoDB's words which products are meant.

    Every value stands behind an operator of ours, so that none can be one. A regular expression is made of text whose
    every sign is escaped: a caller's own could keep the server busy for hours.
    """
    found: Document = {}
    if search.category is not None:
        found["category"] = {"$eq": search.category}
    if price := _between(search.min_price, search.max_price):
        found["price"] = price
    if search.name_contains:
        found["name"] = {"$regex": re.escape(search.name_contains), "$options": "i"}
    return found


def _between(lowest: Decimal | None, highest: Decimal | None) -> dict[str, Any]:
    bounds = {"$gte": lowest, "$lte": highest}
    return {operator: Decimal128(bound) for operator, bound in bounds.items() if bound is not None}


if TYPE_CHECKING:  # nothing inherits from a protocol, so here is where a type checker compares

    def _products(collection: Collection) -> ProductRepository:
        return MongoProductRepository(collection)
