"""What the catalogue does when it hears that an order was taken: it counts, product by product.

The inbox is a part of the document: the same update adds to the counter and notes the event's id, and it only finds
documents that have not noted it. An order touches as many documents as it names products, each safely by itself, so
an order that comes again goes on where a crash has stopped it.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

from collections.abc import Collection as Names
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pymongo.errors import DuplicateKeyError

from lab_support.documents.times import bson_now
from lab_support.documents.types import Collection, Document
from lab_support.messaging import Event, EventTypes, UnreadableEventError
from lab_support.services.catalog.events import HEARD, READ, OrderCreated
from lab_support.services.catalog.mapping import OFFERED

NAME: Final = "catalog"
"""The group on the bus."""

PARKED: Final = "parked_events"
"""The collection of events that could not be understood; they belong to no product."""

MOST_REMEMBERED: Final = 200
"""Ids of events in one document: more than a bus has under way for one product, and some 8 kB."""


@dataclass(frozen=True, slots=True)
class OrderCounter:
    """A handler for a bus: however often an order's event comes, it is counted once in each product.

    A copy that comes when 200 later orders have named the product would be counted again: the counter is for sorting,
    not for paying.

    Attributes:
        products: The catalogue's collection.
        name: Of the consumer.
        types: The events it understands.
        only: The event types it uses.
    """

    products: Collection
    name: str = NAME
    types: ClassVar[EventTypes] = HEARD
    only: ClassVar[Names[str]] = frozenset(one.__name__ for one in READ)

    async def __call__(self, event: Event) -> None:
        """Deal with one delivery; when it returns, the event may be acknowledged.

        Raises:
            pymongo.errors.PyMongoError: The database did not do its part; the bus delivers the event again.
        """
        if event.type not in self.only:
            return
        try:
            payload: Any = self.types.payload_of(event)
        except UnreadableEventError as why:
            await self._park(event, why)
            return
        await self._count(event, payload)

    async def _count(self, event: Event, order: OrderCreated) -> None:
        heard = str(event.event_id)
        for sku in sorted({line.sku for line in order.items}):
            await self.products.update_one(
                {"sku": sku, "inbox": {"$ne": heard}, **OFFERED},
                {
                    "$inc": {"times_ordered": 1},
                    "$push": {"inbox": {"$each": [heard], "$slice": -MOST_REMEMBERED}},
                },
            )

    async def _park(self, event: Event, why: UnreadableEventError) -> None:
        """Keep an event that cannot be understood, once, for a reader that can."""
        parked: Document = {
            "event": event.model_dump_json(),
            "type": event.type,
            "consumer": self.name,
            "last_error": str(why),
            "parked_at": bson_now(),
        }
        first = {"$setOnInsert": parked}
        collection: Collection = self.products.database[PARKED]
        try:
            await collection.update_one({"_id": str(event.event_id)}, first, upsert=True)
        except DuplicateKeyError:
            return  # a copy that came at the same moment has parked it
