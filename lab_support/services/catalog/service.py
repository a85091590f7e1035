"""What the catalogue does: one method per use case. One document is one transaction, so there is nothing to commit.

Section:
    13.7, "Documents over HTTP"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import ObjectId

from lab_support.repositories import DuplicateError
from lab_support.services.catalog.drift import DriftRow
from lab_support.services.catalog.errors import (
    DuplicateProductError,
    EmptyUpdateError,
    ProductNotFoundError,
)
from lab_support.services.catalog.kinds import Kind
from lab_support.services.catalog.mapping import AnyProduct, AnyWrite, new_product
from lab_support.services.catalog.repository import CatalogPage, CatalogRepository, CatalogSearch


class CatalogService:
    """The use cases of the catalogue.

    Args:
        products: Its collection.
        wake: Called after each write, such as `DocumentRelay.wake`.
    """

    def __init__(self, products: CatalogRepository, *, wake: Callable[[], None] | None = None) -> None:
        self._products = products
        self._wake = wake or (lambda: None)

    async def create(self, product: AnyWrite) -> AnyProduct:
        """Store a new product and give it its id.

        Raises:
            DuplicateProductError: Another one has its sku or ISBN.
        """
        with _told_as_duplicate(product.sku):
            created = await self._products.create(new_product(product))
        self._wake()
        return created

    async def get(self, product_id: ObjectId) -> AnyProduct:
        """Read one product.

        Raises:
            ProductNotFoundError: No product has this id.
            UnreadableProductError: What is stored fits no kind.
        """
        return _found(product_id, await self._products.get_by_id(product_id))

    async def browse(
        self, search: CatalogSearch, *, after: ObjectId | None = None, limit: int = 20
    ) -> CatalogPage:
        """Read one page of products in the order in which they were made."""
        return await self._products.page(search, after=after, limit=limit)

    async def replace(self, product_id: ObjectId, product: AnyWrite) -> AnyProduct:
        """Put a whole product in the place of another, of whatever kind.

        Raises:
            DuplicateProductError: Another one has its sku or ISBN.
            ProductNotFoundError: No product has this id.
        """
        with _told_as_duplicate(product.sku):
            replaced = await self._products.replace(new_product(product, id_=product_id))
        self._wake()
        return _found(product_id, replaced)

    async def change(self, product_id: ObjectId, changes: Mapping[str, Any]) -> AnyProduct:
        """Set the given fields of a product and leave the others, known or not, as they are.

        Raises:
            DuplicateProductError: Another one has the sku or ISBN.
            EmptyUpdateError: There is no field to set.
            ForeignFieldError: Products of this kind don't have one of the fields.
            ProductBusyError: Others changed the product each time.
            ProductNotFoundError: No product has this id.
            UnreadableProductError: What is stored fits no kind.
        """
        if not changes:
            raise EmptyUpdateError(product_id)
        with _told_as_duplicate(changes.get("sku")):
            changed = await self._products.update(product_id, changes)
        self._wake()
        return _found(product_id, changed)

    async def delete(self, product_id: ObjectId) -> None:
        """Delete a product.

        Raises:
            ProductNotFoundError: No product has this id.
        """
        if not await self._products.delete(product_id):
            raise ProductNotFoundError(product_id)
        self._wake()

    async def drift(self, kind: Kind | None = None) -> list[DriftRow]:
        """Report which fields the stored products really have."""
        return await self._products.drift(kind)


def _found(product_id: ObjectId, product: AnyProduct | None) -> AnyProduct:
    if product is None:
        raise ProductNotFoundError(product_id)
    return product


@contextmanager
def _told_as_duplicate(sku: str | None) -> Iterator[None]:
    try:
        yield
    except DuplicateError as error:
        raise DuplicateProductError(sku) from error
