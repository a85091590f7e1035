"""The demo price list: a few products that Inventory has, or has run out of.

Section:
    13.5, "The split shop"
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
        "LAMP-7": ("Desk lamp", Decimal("24.90")),
        "DESK-1": ("Standing desk", Decimal("349.00")),
        "CHAIR-4": ("Office chair", Decimal("129.00")),
        "MUG-2": ("Mug", Decimal("9.50")),
        "CABLE-9": ("Cable", Decimal("4.99")),
    }
)


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Fill the price list if it is empty; two processes that start at once fill it once."""
    await retry_transaction(lambda: _fill(sessions))


async def _fill(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with unit_of_work(sessions) as uow:
        if await uow.session.scalar(select(func.count()).select_from(Price)):
            return
        rows = [{"sku": sku, "name": name, "unit_price": price} for sku, (name, price) in PRICES.items()]
        await insert_those_absent(uow.session, Price, rows)
        await uow.commit()
