"""The catalogue's collection: what can be asked of it, in MongoDB's words.

Section:
    13.7, "Behind the contract of 13.3"; 13.8
"""

from __future__ import annotations

import inspect
from collections.abc import Collection as Names
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from bson import ObjectId
from pymongo import ReturnDocument

from lab_support.documents.backfill import backfill_one
from lab_support.documents.money import to_bson
from lab_support.documents.types import Collection, Document
from lab_support.documents.versions import VERSION_FIELD, UnknownVersionError
from lab_support.repositories.mongo import MongoRepository, named_duplicates
from lab_support.services.catalog.drift import DriftRow, drift_rows, pipeline
from lab_support.services.catalog.errors import (
    ForeignFieldError,
    ProductBusyError,
    UnreadableProductError,
)
from lab_support.services.catalog.kinds import Kind
from lab_support.services.catalog.mapping import (
    FIELDS_OF,
    MESSAGES,
    OFFERED,
    AnyProduct,
    ProductDocuments,
)
from lab_support.services.catalog.upcasting import CURRENT, UPCASTERS

MOST_TRIES: Final = 30
_WITHOUT_MESSAGES: Final = dict.fromkeys(MESSAGES, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSearch:
    """Which products are meant: those for which everything given holds.

    Attributes:
        kind: Of this kind.
        min_price: At least this much.
        max_price: At most this much.
        has: All these fields are there, and not null.
        skus: One of these; empty means any.
    """

    kind: Kind | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    has: Sequence[str] = ()
    skus: Sequence[str] = ()


@dataclass(slots=True)
class CatalogPage:
    """A page of products, the ids of documents on it that fit no kind, and the id after which the next page begins."""

    items: list[AnyProduct] = field(default_factory=list)
    unreadable: list[Any] = field(default_factory=list)
    next: ObjectId | None = None


class CatalogRepository(MongoRepository[AnyProduct, ObjectId]):
    """Products of all kinds, through either driver."""

    def __init__(self, collection: Collection) -> None:
        super().__init__(collection, ProductDocuments())

    async def get_by_id(self, id_: ObjectId, /) -> AnyProduct | None:
        """Give the product with this id, if it is offered."""
        return self._entity(await self._collection.find_one({"_id": id_, **OFFERED}, _WITHOUT_MESSAGES))

    async def page(
        self, search: CatalogSearch, /, *, after: ObjectId | None = None, limit: int = 100
    ) -> CatalogPage:
        """Give at most `limit` of the products meant; one that can't be read does not hide the others.

        Raises:
            ValueError: `limit` is below 1.
        """
        offered = {**meant(search), **OFFERED}
        found, next_ = await self._documents(offered, after=after, limit=limit, leave_out=_WITHOUT_MESSAGES)
        page = CatalogPage(next=next_)
        for document in found:
            try:
                page.items.append(self._mapping.entity_of(document))
            except UnreadableProductError:
                page.unreadable.append(document["_id"])
        return page

    async def replace(self, product: AnyProduct, /) -> AnyProduct | None:
        """Put a whole product in the place of the one with its id, if there is one.

        Raises:
            DuplicateError: Another one has a value that must be unique.
        """
        document = await self._mapping.document_of(product, self._collection)
        with named_duplicates(self._mapping.name):
            return self._entity(
                await self._collection.find_one_and_replace(
                    {"_id": product.id}, document, return_document=ReturnDocument.AFTER
                )
            )

    async def update(self, id_: ObjectId, changes: Mapping[str, Any], /) -> AnyProduct | None:
        """Set the named fields if products of this kind have them; a document of an old version is brought up first.

        The filter says what the change relies on, so no other writer can come between the question and the change.

        Raises:
            DuplicateError: Another one has a value that must be unique.
            ForeignFieldError: Products of this kind don't have one of the fields.
            ProductBusyError: Others changed the document each time.
            UnknownColumnError: A name is not that of a field.
            UnreadableProductError: The stored document fits no kind.
        """
        update = self._mapping.update_of(changes)
        if not changes:
            return await self.get_by_id(id_)
        kinds = sorted(kind for kind, fields in FIELDS_OF.items() if changes.keys() <= fields)
        for _ in range(MOST_TRIES):
            as_expected = {"_id": id_, "kind": {"$in": kinds}, VERSION_FIELD: CURRENT}
            if (changed := await self._change(as_expected, update)) is not None:
                return changed
            if (document := await self._collection.find_one({"_id": id_})) is None:
                return None
            await self._prepare(document, changes.keys(), kinds)
        raise ProductBusyError(id_)

    async def drift(self, kind: Kind | None = None) -> list[DriftRow]:
        """Count the fields of the stored documents by type, in the server."""
        cursor: Any = self._collection.aggregate(pipeline(kind))
        if inspect.isawaitable(cursor):  # AsyncMongoClient's; Motor's is a cursor at once
            cursor = await cursor
        return drift_rows([group async for group in cursor])

    async def _prepare(self, document: Document, fields: Names[str], kinds: Sequence[str]) -> None:
        """Say why a document did not fit, or make it fit."""
        kind = document.get("kind")
        if kind not in FIELDS_OF:
            raise UnreadableProductError(document["_id"], ["kind"])
        if kind not in kinds:
            raise ForeignFieldError(kind, set(fields) - FIELDS_OF[kind])
        try:
            await backfill_one(self._collection, UPCASTERS, document)
        except UnknownVersionError as error:
            raise UnreadableProductError(document["_id"], [VERSION_FIELD]) from error


def meant(search: CatalogSearch) -> Document:
    """Say in MongoDB's words which products are meant; every value stands behind an operator of ours."""
    found: Document = {}
    if search.kind is not None:
        found["kind"] = {"$eq": search.kind}
    if search.skus:
        found["sku"] = {"$in": list(search.skus)}
    bounds = {"$gte": search.min_price, "$lte": search.max_price}
    if price := {operator: to_bson(bound) for operator, bound in bounds.items() if bound is not None}:
        found["price"] = price
    if search.has:
        found["$and"] = [{name: {"$exists": True, "$ne": None}} for name in search.has]
    return found
