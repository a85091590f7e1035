from decimal import Decimal

from pydantic import BaseModel
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_05.shop import Order, OutboxMessage
from lab_support.messaging import Bus, EventTypes, unit_of_work


class OrderCreated(BaseModel):
    order_id: int
    customer_id: str
    total: Decimal


TYPES = EventTypes()
TYPES.register(OrderCreated)


async def place_order(
    sessions: async_sessionmaker[AsyncSession], bus: Bus, customer_id: str, total: Decimal
) -> int:
    async with unit_of_work(sessions, OutboxMessage) as uow:
        stored = insert(Order).values(customer_id=customer_id, total=total).returning(Order.id)
        order_id = (await uow.session.execute(stored)).scalar_one()
        created = OrderCreated(order_id=order_id, customer_id=customer_id, total=total)
        uow.announce(TYPES.event(created, aggregate_type="Order", aggregate_id=order_id))
        await uow.commit()
    return order_id
