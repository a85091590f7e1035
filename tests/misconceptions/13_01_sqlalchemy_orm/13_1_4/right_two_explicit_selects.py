from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from lab_support.services.store.entities import Order, OrderItem


async def orders_of(session: AsyncSession, email: str) -> list[Order]:
    found = list(await session.scalars(select(Order).where(Order.customer_email == email)))
    ids = [order.id for order in found]
    items = list(await session.scalars(select(OrderItem).where(OrderItem.order_id.in_(ids))))
    for order in found:
        set_committed_value(order, "items", [item for item in items if item.order_id == order.id])
    return found
