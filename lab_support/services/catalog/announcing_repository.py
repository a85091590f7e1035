"""The catalogue that tells: each write puts the event that tells of it into the same document, in the same message.

An event says what the product is afterwards, so a change relies on the version that was read; when somebody else was
quicker, it is made anew from what is there then.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId

from lab_support.documents.money import from_bson
from lab_support.documents.times import bson_now
from lab_support.documents.types import Document
from lab_support.documents.versions import VERSION_FIELD
from lab_support.repositories.mongo import named_duplicates
from lab_support.services.catalog.announcing import (
    announcing,
    as_read,
    change_event,
    end_event,
    first_outbox,
    next_version,
)
from lab_support.services.catalog.errors import ProductBusyError
from lab_support.services.catalog.mapping import BOOKKEEPING, FIELDS_OF, OFFERED, AnyProduct
from lab_support.services.catalog.repository import MOST_TRIES, CatalogRepository
from lab_support.services.catalog.upcasting import CURRENT


class AnnouncingCatalogRepository(CatalogRepository):
    """Products whose every change is announced. A relay has to run: what it has not published stays in the document."""

    async def create(self, product: AnyProduct, /) -> AnyProduct:
        """Store a new product, and that it is there.

        Raises:
            DuplicateError: Another one has a value that must be unique.
        """
        document = await self._mapping.document_of(product, self._collection)
        with named_duplicates(self._mapping.name):
            await self._collection.insert_one(document | {"outbox": first_outbox(product)})
        return product

    async def replace(self, product: AnyProduct, /) -> AnyProduct | None:
        """Put a whole product in the place of the one with its id, if there is one; its version goes on.

        Raises:
            DuplicateError: Another one has a value that must be unique.
            ProductBusyError: Others changed the document each time.
            UntoldChangesError: Too many earlier changes are still to be published.
        """
        new = await self._mapping.document_of(product, self._collection)
        kept = new.keys() | BOOKKEEPING
        for _ in range(MOST_TRIES):
            if (found := await self._found(product.id)) is None:
                return None
            update: Document = {"$set": {name: value for name, value in new.items() if name != "_id"}}
            if gone := {name: "" for name in found if name not in kept}:
                update["$unset"] = gone
            if (replaced := await self._announce(found, update, product)) is not None:
                return replaced
        raise ProductBusyError(product.id)

    async def update(self, id_: ObjectId, changes: Mapping[str, Any], /) -> AnyProduct | None:
        """Set the named fields if products of this kind have them; a document of an old version is brought up first.

        Raises:
            DuplicateError: Another one has a value that must be unique.
            ForeignFieldError: Products of this kind don't have one of the fields.
            ProductBusyError: Others changed the document each time.
            UnknownColumnError: A name is not that of a field.
            UnreadableProductError: The stored document, with the changes, fits no kind; nothing was written.
            UntoldChangesError: Too many earlier changes are still to be published.
        """
        update = self._mapping.update_of(changes)
        if not changes:
            return await self.get_by_id(id_)
        kinds = sorted(kind for kind, fields in FIELDS_OF.items() if changes.keys() <= fields)
        for _ in range(MOST_TRIES):
            if (found := await self._found(id_)) is None:
                return None
            if found.get("kind") not in kinds or found.get(VERSION_FIELD) != CURRENT:
                await self._prepare(found, changes.keys(), kinds)
                continue
            after = {name: value for name, value in (found | dict(changes)).items() if value is not None}
            changed = await self._announce(found, update, self._mapping.entity_of(after))
            if changed is not None:
                return changed
        raise ProductBusyError(id_)

    async def delete(self, id_: ObjectId, /) -> bool:
        """End a product at once for every reader; the relay removes the document when it has told of the end.

        Until then its sku stays taken.

        Raises:
            ProductBusyError: Others changed the document each time.
            UntoldChangesError: Too many earlier changes are still to be published.
        """
        for _ in range(MOST_TRIES):
            if (found := await self._found(id_)) is None:
                return False
            version = next_version(found)
            ended = announcing({"$set": {"outbox.ended_at": bson_now()}}, end_event(id_, version), version)
            if (await self._collection.update_one(as_read(found), ended)).matched_count:
                return True
        raise ProductBusyError(id_)

    async def _found(self, id_: ObjectId) -> Document | None:
        return await self._collection.find_one({"_id": id_, **OFFERED})

    async def _announce(
        self, found: Mapping[str, Any], update: Document, product: AnyProduct
    ) -> AnyProduct | None:
        """Make one change together with its event, unless somebody else changed the product meanwhile."""
        version = next_version(found)
        event = change_event(product, version, costs_else=from_bson(found.get("price")) != product.price)
        return await self._change(as_read(found), announcing(update, event, version))
