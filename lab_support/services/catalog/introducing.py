"""Products that nobody has announced yet: the demo data, and whatever is older than the catalogue's announcements.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from typing import Final

from pymongo import UpdateOne

from lab_support.documents.types import Collection
from lab_support.services.catalog.announcing import VERSION, first_outbox
from lab_support.services.catalog.errors import UnreadableProductError
from lab_support.services.catalog.mapping import ProductDocuments

_UNKNOWN: Final = {VERSION: None}
_BATCH: Final = 200


async def introduce(products: Collection) -> int:
    """Put the event that a product is there into every document that has no version yet, and count them.

    Each document is changed only while it has none, so any number of processes may do this at once, be stopped, and
    begin again. A document that fits no kind is left out; the change that mends it tells of it.
    """
    mapping, changes, introduced = ProductDocuments(), list[UpdateOne](), 0
    async for document in products.find(_UNKNOWN).sort("_id", 1).batch_size(_BATCH):
        try:
            product = mapping.entity_of(document)
        except UnreadableProductError:
            continue
        changes.append(
            UpdateOne({"_id": product.id, **_UNKNOWN}, {"$set": {"outbox": first_outbox(product)}})
        )
        if len(changes) == _BATCH:
            introduced += await _write(products, changes)
            changes = []
    return introduced + await _write(products, changes)


async def _write(products: Collection, changes: list[UpdateOne]) -> int:
    if not changes:
        return 0
    return int((await products.bulk_write(changes, ordered=False)).modified_count)
