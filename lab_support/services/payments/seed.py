"""What Payments begins with: nothing. Each payment comes from an order.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Leave the tables as they are; the other services fill theirs."""
