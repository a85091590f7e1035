from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from lab_support.services.store.entities import Order, OrderItem


async def orders_of(session: AsyncSession, email: str) -> list[Order]:
    found = list(await session.scalars(select(Order).where(Order.customer_email == email).order_by(Order.id)))
    for order in found:
        await order.awaitable_attrs.items
    return found
