from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from lab_support.services.store.entities import Order, OrderItem


async def orders_of(session: AsyncSession, email: str) -> list[Order]:
    query = (
        select(Order)
        .outerjoin(Order.items)
        .where(Order.customer_email == email)
        .options(contains_eager(Order.items))
        .order_by(Order.id, OrderItem.id)
    )
    return list((await session.scalars(query)).unique())
