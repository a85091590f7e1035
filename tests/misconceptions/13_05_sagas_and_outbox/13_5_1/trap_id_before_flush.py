from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_05.shop import Order, OutboxMessage
from lab_support.messaging import Bus, Event, unit_of_work


async def place_order(
    sessions: async_sessionmaker[AsyncSession], bus: Bus, customer_id: str, total: Decimal
) -> int:
    async with unit_of_work(sessions, OutboxMessage) as uow:
        order = Order(customer_id=customer_id, total=total)
        uow.session.add(order)
        payload = {"order_id": order.id, "customer_id": customer_id, "total": str(total)}
        uow.announce(
            Event(type="OrderCreated", aggregate_type="Order", aggregate_id=str(order.id), payload=payload)
        )
        await uow.commit()
        return order.id
