"""What a product's document keeps for the conversation with other services, beside the product itself.

    outbox          what waits to be published: {version, pending: [event, …], …}; see `document_outbox`
    inbox           the ids of the events that it has heard last
    times_ordered   how many orders have named it

All of it is changed by the same write as the product: one document is one transaction.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson import ObjectId

from lab_support.documents.times import bson_now
from lab_support.documents.types import Document
from lab_support.messaging import Event
from lab_support.services.catalog.errors import UntoldChangesError
from lab_support.services.catalog.events import (
    EVENTS,
    TOPIC,
    ProductAdded,
    ProductChanged,
    ProductDiscontinued,
    ProductPriceChanged,
)
from lab_support.services.catalog.mapping import AnyProduct
from lab_support.services.vocabulary import Payload

VERSION: Final = "outbox.version"
MOST_PENDING: Final = 1_000
"""The most events that may wait in one document; a document has room for some 30 times as many."""


def next_version(document: Mapping[str, Any]) -> int:
    """Give the version that the next change of a stored product has; the first change of an old document makes it 1.

    Raises:
        UntoldChangesError: Too many earlier changes are still to be published.
    """
    outbox = document.get("outbox", {})
    if len(outbox.get("pending", ())) >= MOST_PENDING:
        raise UntoldChangesError(document["_id"], MOST_PENDING)
    return int(outbox.get("version", 0)) + 1


def as_read(document: Mapping[str, Any]) -> Document:
    """Give the filter that holds only while nobody has changed the product since it was read."""
    return {"_id": document["_id"], VERSION: document.get("outbox", {}).get("version")}


def first_outbox(product: AnyProduct) -> Document:
    """Give the outbox of a new product, with the event that it is there."""
    event = _event(product.id, ProductAdded.model_validate(_state(product, 1)))
    return {"version": 1, "pending": [event.model_dump(mode="json")]}


def change_event(product: AnyProduct, version: int, *, costs_else: bool) -> Event:
    """Make the event that a product is, from this version on, as given."""
    kind = ProductPriceChanged if costs_else else ProductChanged
    return _event(product.id, kind.model_validate(_state(product, version)))


def end_event(product_id: ObjectId, version: int) -> Event:
    """Make the last event of a product; what the document says is not asked, so a damaged one can go, too."""
    return _event(product_id, ProductDiscontinued(product_id=str(product_id), version=version))


def announcing(update: Mapping[str, Any], event: Event, version: int) -> Document:
    """Add to an update that the product has a new version, and the event that tells of it."""
    return {
        **update,
        "$set": {**update.get("$set", {}), VERSION: version},
        "$push": {"outbox.pending": event.model_dump(mode="json")},
    }


def _state(product: AnyProduct, version: int) -> dict[str, Any]:
    return {
        "product_id": str(product.id),
        "version": version,
        "sku": product.sku,
        "name": product.name,
        "price": product.price,
    }


def _event(product_id: ObjectId, payload: Payload) -> Event:
    return EVENTS.event(payload, aggregate_type=TOPIC, aggregate_id=product_id, occurred_at=bson_now())
