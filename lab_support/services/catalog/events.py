"""What the catalogue tells the others, and what it reads of theirs.

Each event carries the product's whole public state and its version, so a reader that keeps the newest version needs no
other event, and none in order.

Section:
    13.9, "A local copy, kept by events"
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from lab_support.messaging import EventTypes
from lab_support.services.vocabulary import Lines, Money, Payload, ProductId, ProductName, Sku

TOPIC = "product"
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


# --- published under "product", of the aggregate "product"
class ProductAdded(Payload):
    """The shop offers a new product."""

    product_id: ProductId
    version: Version
    sku: Sku
    name: ProductName
    price: Money


class ProductPriceChanged(Payload):
    """A product costs something else, and perhaps has other changes too."""

    product_id: ProductId
    version: Version
    sku: Sku
    name: ProductName
    price: Money


class ProductChanged(Payload):
    """A product is described or named differently; it costs what it did."""

    product_id: ProductId
    version: Version
    sku: Sku
    name: ProductName
    price: Money


class ProductDiscontinued(Payload):
    """The shop no longer offers a product; nothing follows this event."""

    product_id: ProductId
    version: Version


# --- read
class OrderCreated(Payload):
    """Orders has taken an order."""

    order_id: UUID
    items: Lines


PUBLISHED = (ProductAdded, ProductPriceChanged, ProductChanged, ProductDiscontinued)
READ = (OrderCreated,)

EVENTS = EventTypes()
for _model in PUBLISHED:
    EVENTS.register(_model)

HEARD = EventTypes()
"""What it understands of others."""
for _read in READ:
    HEARD.register(_read)
