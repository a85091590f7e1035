"""A small warehouse to begin with.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import unit_of_work
from lab_support.database.inserts import insert_if_absent
from lab_support.services.inventory.entities import Stock

STOCK: Final = MappingProxyType(
    {
        "LAMP-7": 40,
        "DESK-1": 10,
        "CHAIR-4": 25,
        "MUG-2": 500,
        "CABLE-9": 0,
        "MON-27": 15,
        "TEE-1-M": 60,
        "BOOK-1": 80,
    }
)
"""Pieces by sku: products of the catalogue's demo data."""


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Fill the warehouse if it is empty; two processes that do it at once fill it once."""
    async with unit_of_work(sessions) as uow:
        if await uow.session.scalar(select(exists(select(Stock.sku)))):
            return
        for sku, available in sorted(STOCK.items()):
            await insert_if_absent(uow.session, Stock, sku=sku, available=available, discontinued=False)
        await uow.commit()
