from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.exercises.s13_05.shop import Order, OutboxMessage
from lab_support.messaging import BrokerUnavailableError, Bus, Event, Message, unit_of_work


async def place_order(
    sessions: async_sessionmaker[AsyncSession], bus: Bus, customer_id: str, total: Decimal
) -> int:
    async with unit_of_work(sessions, OutboxMessage) as uow:
        order = Order(customer_id=customer_id, total=total)
        uow.session.add(order)
        await uow.flush()
        payload = {"order_id": order.id, "customer_id": customer_id, "total": str(total)}
        event = Event(
            type="OrderCreated", aggregate_type="Order", aggregate_id=str(order.id), payload=payload
        )
        uow.announce(event)
        await uow.commit()
    try:
        await bus.publish([Message("Order", event)])
    except BrokerUnavailableError:
        pass  # the relay will do it
    return order.id
