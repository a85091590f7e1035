"""What Orders does: one method per use case, each with a unit of work of its own.

Taking an order writes the order, its answer under the caller's key, and the event that begins its saga, in one
transaction. Whether the order stands is decided later, by others.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, utc_now
from lab_support.messaging import unit_of_work
from lab_support.services.orders.dtos import OrderAccepted, OrderLineCreate
from lab_support.services.orders.entities import Order, OutboxMessage, Price
from lab_support.services.orders.errors import OrderLockedError, OrderNotFoundError
from lab_support.services.orders.idempotency import Once
from lab_support.services.orders.orchestration import OrderSagas
from lab_support.services.orders.repository import OrderRepository, PriceRepository
from lab_support.services.orders.taking import Taking, merged
from lab_support.services.vocabulary import Coordination, PayBy

PATIENCE_S: Final = 4.0
"""No attempt begins later than this after the first: whoever waited for a lock in vain is told so (503)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderService:
    """The use cases of orders.

    Attributes:
        sessions: On Orders' database.
        sagas: The orchestrated ones.
        coordination: How the sagas of new orders are coordinated.
        deadline_s: How long a new order may wait for its end, in seconds.
        clock: Gives this moment, aware.
        wake: Called after a commit that stored events: the relay's `wake`.
    """

    sessions: async_sessionmaker[AsyncSession]
    sagas: OrderSagas
    coordination: Coordination = "choreography"
    deadline_s: float = 30.0
    clock: Callable[[], datetime] = utc_now
    wake: Callable[[], None] | None = None

    async def place_order(
        self,
        customer_id: str,
        pay_by: PayBy,
        items: Iterable[OrderLineCreate],
        *,
        idempotency_key: str | None = None,
    ) -> OrderAccepted:
        """Take an order at the prices of this moment, and begin its saga.

        A refused order leaves nothing, its idempotency key included: the same request may be sent again.

        Args:
            customer_id: Who buys; Customers will say whether it knows the buyer.
            pay_by: On credit or by card.
            items: What is wanted; lines of one product become one line.
            idempotency_key: The caller's name for this one order. Repeated with the same order, it gives the first
                answer again, to the letter, and orders nothing.

        Raises:
            InvalidOrderError: There is no line, there are too many, or a quantity or the total is impossible.
            UnknownSkuError: The price list lacks a product.
            IdempotencyKeyReusedError: The key belongs to another order.
            RetriesExhaustedError: Others were in the way all the time.
        """
        wanted = merged(items)
        once = None if idempotency_key is None else Once.of(idempotency_key, customer_id, pay_by, wanted)
        taking = Taking(customer_id, pay_by, wanted, self.coordination, self.deadline_s, self.sagas)
        return await retry_transaction(lambda: self._take(taking, once), limit_s=PATIENCE_S)

    async def _take(self, taking: Taking, once: Once | None) -> OrderAccepted:
        async with unit_of_work(self.sessions, OutboxMessage, wake=self.wake) as uow:
            if once is not None and (earlier := await once.earlier_answer(uow.session, self.clock())):
                return earlier
            answer = await taking.write(uow, self.clock())
            if once is not None:
                await once.remember(uow.session, answer)
            await uow.commit()
        return answer

    async def get(self, order_id: UUID) -> Order:
        """Read an order with its lines.

        Raises:
            OrderNotFoundError: No order has this id.
        """
        async with self.sessions() as session:
            order = await OrderRepository(session).get_whole(order_id)
        if order is None:
            raise OrderNotFoundError(order_id)
        return order

    async def annotate(self, order_id: UUID, note: str | None) -> Order:
        """Set or delete the delivery note, unless the saga still works on the order.

        Raises:
            OrderNotFoundError: No order has this id.
            OrderLockedError: The saga has not ended.
            RetriesExhaustedError: Others were in the way all the time.
        """
        return await retry_transaction(lambda: self._annotate(order_id, note), limit_s=PATIENCE_S)

    async def _annotate(self, order_id: UUID, note: str | None) -> Order:
        async with unit_of_work(self.sessions, OutboxMessage) as uow:
            orders = OrderRepository(uow.session)
            changed = await orders.annotate(order_id, note, now=self.clock())
            order = await orders.get_whole(order_id)
            if order is None:
                raise OrderNotFoundError(order_id)
            if not changed:
                raise OrderLockedError(order_id, order.status)
            await uow.commit()
        return order

    async def prices(self) -> list[Price]:
        """Read the price list."""
        async with self.sessions() as session:
            return await PriceRepository(session).all()
