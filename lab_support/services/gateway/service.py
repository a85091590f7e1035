"""What the gateway does: one method per use case.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from lab_support.pools.deadlines import within_deadline
from lab_support.services.gateway.composing import Composer
from lab_support.services.gateway.dtos import CircuitRead, OrderView, OrderViewPage
from lab_support.services.gateway.mapping import circuit_read

FOR_THE_WAY_BACK: Final = 0.1
"""The part of the time that is kept for putting the answer together: it has to arrive before the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The use cases of the gateway.

    Attributes:
        composer: Puts answers together.
        deadline_s: The longest time for an answer, in seconds; a caller's deadline only shortens it.
    """

    composer: Composer
    deadline_s: float = 2.0

    async def order(self, order_id: UUID) -> OrderView:
        """Show one order with all that belongs to it.

        Raises:
            DeadlineExceededError: The caller has left no time.
            OrderUnknownError: Orders has no such order.
            OrdersTooSlowError: Orders did not answer in time.
            OrdersUnavailableError: Orders can't be asked, or gave no usable answer.
        """
        return await self.composer.order(order_id, within_s=self._time())

    async def orders_of(self, customer_id: str, *, after: UUID | None, limit: int) -> OrderViewPage:
        """Show a page of somebody's orders.

        Raises:
            DeadlineExceededError: The caller has left no time.
            OrderUnknownError: `after` is no order of this customer.
            OrdersTooSlowError: Orders did not answer in time.
            OrdersUnavailableError: Orders can't be asked, or gave no usable answer.
        """
        time = self._time()
        return await self.composer.orders_of(customer_id, after=after, limit=limit, within_s=time)

    def circuits(self) -> list[CircuitRead]:
        """Tell how the gateway gets on with each service."""
        return [circuit_read(one) for one in self.composer.neighbours.all]

    def _time(self) -> float:
        return within_deadline(self.deadline_s) * (1 - FOR_THE_WAY_BACK)
