from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from lab_support.services.store.entities import Order, OrderItem


async def orders_of(session: AsyncSession, email: str) -> list[Order]:
    every = await session.scalars(select(Order).options(selectinload(Order.items)).order_by(Order.id))
    return [order for order in every if order.customer_email == email]
