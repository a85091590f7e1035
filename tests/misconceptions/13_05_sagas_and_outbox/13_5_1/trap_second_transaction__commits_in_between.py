from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import Order, OutboxMessage
from lab_support.messaging import Bus, Event


async def place_order(
    sessions: async_sessionmaker[AsyncSession], bus: Bus, customer_id: str, total: Decimal
) -> int:
    async with sessions() as session:
        order = Order(customer_id=customer_id, total=total)
        session.add(order)
        await session.commit()
        await session.refresh(order)
        payload = {"order_id": order.id, "customer_id": customer_id, "total": str(total)}
        event = Event(
            type="OrderCreated", aggregate_type="Order", aggregate_id=str(order.id), payload=payload
        )
        session.add(
            OutboxMessage(
                id=event.event_id,
                aggregatetype=event.aggregate_type,
                aggregateid=event.aggregate_id,
                type=event.type,
                payload=event.payload,
                topic=event.aggregate_type,
                headers={"saga_id": None, "causation_id": None, "version": 1},
                occurred_at=utc_now(),
            )
        )
        await session.commit()
        return order.id
