from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_05.shop import Order
from lab_support.messaging import Bus, Event, Message


async def place_order(
    sessions: async_sessionmaker[AsyncSession], bus: Bus, customer_id: str, total: Decimal
) -> int:
    async with sessions.begin() as session:
        order = Order(customer_id=customer_id, total=total)
        session.add(order)
        await session.flush()
        payload = {"order_id": order.id, "customer_id": customer_id, "total": str(total)}
        event = Event(
            type="OrderCreated", aggregate_type="Order", aggregate_id=str(order.id), payload=payload
        )
        await bus.publish([Message("Order", event)])
    return order.id
