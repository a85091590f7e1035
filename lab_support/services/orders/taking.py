"""Taking an order: its rows, and the event that begins its saga, in the caller's transaction.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from lab_support.database import UnitOfWork
from lab_support.services.orders.dtos import OrderAccepted, OrderLineCreate
from lab_support.services.orders.entities import Price
from lab_support.services.orders.errors import InvalidOrderError, UnknownSkuError
from lab_support.services.orders.events import EVENTS, TOPIC, OrderCreated
from lab_support.services.orders.orchestration import OrderSagas
from lab_support.services.orders.repository import OrderRepository, PriceRepository
from lab_support.services.orders.states import first_status
from lab_support.services.orders.timeline import keep_timeline
from lab_support.services.vocabulary import MAX_LINES, MAX_QUANTITY, Coordination, Line, PayBy

LARGEST_TOTAL: Final = Decimal("9999999999.99")


@dataclass(frozen=True, slots=True)
class Taking:
    """One order on its way into the tables; each attempt gives it new ids.

    Attributes:
        customer_id: Who buys.
        pay_by: On credit or by card.
        wanted: How many pieces of each product.
        coordination: How its saga is coordinated.
        deadline_s: How long it may wait for its end, in seconds.
        sagas: Begins the saga, if it is orchestrated.
    """

    customer_id: str
    pay_by: PayBy
    wanted: Mapping[str, int]
    coordination: Coordination
    deadline_s: float
    sagas: OrderSagas

    async def write(self, uow: UnitOfWork, now: datetime) -> OrderAccepted:
        """Write the order and announce it; the caller commits.

        Raises:
            InvalidOrderError: The total is impossible.
            UnknownSkuError: The price list lacks a product.
        """
        keep_timeline(uow, now)
        prices = await PriceRepository(uow.session).of(self.wanted)
        if missing := self.wanted.keys() - prices.keys():
            raise UnknownSkuError(missing)
        total = sum((prices[sku].unit_price * pieces for sku, pieces in self.wanted.items()), Decimal("0.00"))
        if total > LARGEST_TOTAL:
            raise InvalidOrderError(f"An order may cost {LARGEST_TOTAL:,} at most. Order fewer pieces.")
        order = self._row(total, now)
        await OrderRepository(uow.session).add(order, self._lines(order["id"], prices))
        await self._begin(uow, order)
        return OrderAccepted(order_id=order["id"], status=order["status"], total=total)

    def _row(self, total: Decimal, now: datetime) -> dict[str, Any]:
        return {
            "id": uuid4(),
            "saga_id": uuid4(),
            "customer_id": self.customer_id,
            "pay_by": self.pay_by,
            "coordination": self.coordination,
            "status": first_status(self.pay_by),
            "total": total,
            "deadline_at": now + timedelta(seconds=self.deadline_s),
            "created_at": now,
            "updated_at": now,
        }

    def _lines(self, order_id: UUID, prices: Mapping[str, Price]) -> list[dict[str, Any]]:
        return [
            {
                "order_id": order_id,
                "sku": sku,
                "position": position,
                "quantity": pieces,
                "unit_price": prices[sku].unit_price,
            }
            for position, (sku, pieces) in enumerate(self.wanted.items(), 1)
        ]

    async def _begin(self, uow: UnitOfWork, order: Mapping[str, Any]) -> None:
        created = OrderCreated(
            order_id=order["id"],
            customer_id=self.customer_id,
            pay_by=self.pay_by,
            total=order["total"],
            items=[Line(sku=sku, quantity=pieces) for sku, pieces in self.wanted.items()],
            coordination=self.coordination,
        )
        event = EVENTS.event(
            created,
            aggregate_type=TOPIC,
            aggregate_id=order["id"],
            saga_id=order["saga_id"],
            occurred_at=order["created_at"],
        )
        uow.announce(event)
        if self.coordination == "orchestration":
            await self.sagas.begin(uow, event, created)


def merged(items: Iterable[OrderLineCreate]) -> dict[str, int]:
    """Add up the pieces of each product, in the sequence in which the products are first named.

    Raises:
        InvalidOrderError: There is no line, there are too many, or there are too many pieces of one product.
    """
    listed = list(items)
    if not 1 <= len(listed) <= MAX_LINES:
        raise InvalidOrderError(f"An order has 1 to {MAX_LINES} lines, not {len(listed)}.")
    wanted: dict[str, int] = {}
    for line in listed:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    if too_many := [sku for sku, pieces in wanted.items() if pieces > MAX_QUANTITY]:
        raise InvalidOrderError(f"An order has {MAX_QUANTITY:,} pieces of {too_many[0]} at most.")
    return wanted
