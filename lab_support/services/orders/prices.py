"""The price list follows the catalogue: each event about a product brings its row to that version, and never back.

Orders never asks the catalogue while a buyer waits, so it takes orders while the catalogue is down.

Section:
    13.9, "A local copy, kept by events"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from lab_support.database import UnitOfWork
from lab_support.messaging import Event, EventTypes
from lab_support.services.orders.events import ABOUT_PRODUCTS, ProductDiscontinued
from lab_support.services.orders.repository import PriceRepository

NAME: Final = "orders.prices"
"""The consumer in the inbox."""

TOPIC: Final = "product"
HEARD: Final = EventTypes()
"""What Orders understands about products."""
for _model in ABOUT_PRODUCTS:
    HEARD.register(_model)


async def keep_price(uow: UnitOfWork, event: Event, payload: Any) -> None:
    """Take over what the catalogue says about a product; the caller commits."""
    prices = PriceRepository(uow.session)
    said: dict[str, Any]
    if isinstance(payload, ProductDiscontinued):
        said = {"discontinued_at": event.occurred_at, "as_of": event.occurred_at}
        if await prices.change(payload.product_id, payload.version, **said):
            return
        said |= {"sku": "", "name": "", "unit_price": Decimal(0)}  # nobody had told that it was offered
    else:
        said = {
            "sku": payload.sku,
            "name": payload.name,
            "unit_price": payload.price,
            "as_of": event.occurred_at,
            "discontinued_at": None,
        }
    await prices.keep(payload.product_id, payload.version, **said)
