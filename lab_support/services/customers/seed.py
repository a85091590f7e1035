"""A few customers to begin with.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import unit_of_work
from lab_support.database.inserts import insert_if_absent
from lab_support.services.customers.entities import Customer

CUSTOMERS: Final = (
    ("ada", "Ada Lovelace", Decimal("1000.00"), False),
    ("grace", "Grace Hopper", Decimal("50.00"), False),
    ("linus", "Linus Blocked", Decimal("1000.00"), True),
)


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Fill the table of customers if it is empty; two processes that do it at once fill it once."""
    async with unit_of_work(sessions) as uow:
        if await uow.session.scalar(select(exists(select(Customer.id)))):
            return
        for id_, name, credit, blocked in CUSTOMERS:
            await insert_if_absent(
                uow.session,
                Customer,
                id=id_,
                name=name,
                email=f"{id_}@example.com",
                credit=credit,
                blocked=blocked,
            )
        await uow.commit()
