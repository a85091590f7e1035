"""What the catalogue could not do by itself, in the shape that `lab outbox` shows.

Section:
    13.9, "Pending events inside the document"
"""

from __future__ import annotations

import json
from collections.abc import Collection as Names

from lab_support.documents.types import Collection
from lab_support.services.catalog.document_outbox import DocumentOutbox
from lab_support.services.catalog.handlers import NAME, PARKED
from lab_support.services.left_over import MOST, LeftOver


async def catalog_left_over(products: Collection) -> list[LeftOver]:
    """List the parked events of products, and those that the catalogue did not understand; oldest first."""
    return [*await _outbox(products), *await _inbox(products)]


async def retry_catalog(products: Collection, chosen: Names[LeftOver]) -> list[str]:
    """Give parked events of products all their attempts again; return a line for each thing that can't be tried."""
    outbox = [one for one in chosen if one.kind == "outbox"]
    await DocumentOutbox(products).retry_parked([one.id for one in outbox])
    return [
        f"{one.type} {one.id}: the catalogue only counts orders; what it did not understand is kept, and not counted."
        for one in chosen
        if one.kind == "inbox"
    ]


async def _outbox(products: Collection) -> list[LeftOver]:
    found = []
    for document in await DocumentOutbox(products).parked(limit=MOST):
        outbox = document["outbox"]
        first = outbox["pending"][0]
        found.append(
            LeftOver(
                service=NAME,
                kind="outbox",
                id=str(first.get("event_id")),
                type=str(first.get("type")),
                aggregate=f"product {document['_id']}",
                attempts=outbox.get("attempts"),
                error=str(outbox.get("last_error", "")),
                since=outbox["parked_at"],
            )
        )
    return found


async def _inbox(products: Collection) -> list[LeftOver]:
    parked: Collection = products.database[PARKED]
    found = []
    for one in await parked.find({}).sort("parked_at", 1).limit(MOST).to_list(MOST):
        event = json.loads(one["event"])
        found.append(
            LeftOver(
                service=NAME,
                kind="inbox",
                id=one["_id"],
                type=one["type"],
                aggregate=f"{event.get('aggregate_type')} {event.get('aggregate_id')}",
                attempts=None,
                error=one["last_error"],
                since=one["parked_at"],
                consumer=one["consumer"],
            )
        )
    return found
