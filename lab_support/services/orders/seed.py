"""The demo price list: what the catalogue's demo products cost, so that a shop without a catalogue can sell, too.

It fills an empty table once. Afterwards only the catalogue's events change the list; the first version that they tell
of a demo product is the one here.

Section:
    13.5, "One shop, several databases"; 13.9, "A local copy, kept by events"
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, unit_of_work
from lab_support.database.inserts import insert_those_absent
from lab_support.services.orders.entities import Price

PRICES: Final = MappingProxyType(
    {
        "LAMP-7": ("6955b9000000000000000001", "Desk lamp", Decimal("24.90")),
        "DESK-1": ("6955b9000000000000000002", "Standing desk", Decimal("349.00")),
        "CHAIR-4": ("6955b9000000000000000003", "Office chair", Decimal("129.00")),
        "MUG-2": ("6955b9000000000000000004", "Mug", Decimal("9.50")),
        "CABLE-9": ("6955b9000000000000000005", "Cable", Decimal("4.99")),
        "MON-27": ("6955b9000000000000000006", "Clear 27", Decimal("349.00")),
        "TEE-1-M": ("6955b9000000000000000007", "Plain tee", Decimal("14.90")),
        "BOOK-1": ("6955b9000000000000000008", "Notes on engines", Decimal("24.00")),
    }
)
"""By sku: the catalogue's id, the name, and the price of one piece."""


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Fill the price list if it is empty; two processes that start at once fill it once."""
    await retry_transaction(lambda: _fill(sessions))


async def _fill(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with unit_of_work(sessions) as uow:
        if await uow.session.scalar(select(func.count()).select_from(Price)):
            return
        rows = [
            {"product_id": id_, "version": 1, "sku": sku, "name": name, "unit_price": price}
            for sku, (id_, name, price) in PRICES.items()
        ]
        await insert_those_absent(uow.session, Price, rows)
        await uow.commit()
