from decimal import Decimal
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import utc_now
from lab_support.exercises.s13_05.shop import Order, OutboxMessage
from lab_support.messaging import Bus


async def place_order(
    sessions: async_sessionmaker[AsyncSession], bus: Bus, customer_id: str, total: Decimal
) -> int:
    async with sessions.begin() as session:
        order = Order(customer_id=customer_id, total=total)
        session.add(order)
        await session.flush()
        session.add(
            OutboxMessage(
                id=uuid4(),
                aggregatetype="Order",
                aggregateid=str(order.id),
                type="OrderCreated",
                payload={"order_id": order.id, "customer_id": customer_id, "total": str(total)},
                topic="Order",
                headers={},
                occurred_at=utc_now(),
            )
        )
    return order.id
