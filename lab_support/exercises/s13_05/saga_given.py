"""The given half of 13.5.5: Customers and Inventory hear OrderCreated, answer it once, and remember what they said.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, insert, update

from lab_support.database import UnitOfWork
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    CreditReservation,
    Customer,
    CustomerCreditLimitExceeded,
    CustomerCreditReserved,
    OrderCreated,
    Stock,
    StockReservation,
    StockReserved,
    StockUnavailable,
)
from lab_support.messaging import Event


def say(uow: UnitOfWork, service: str, payload: BaseModel, cause: Event) -> None:
    """Announce an event of a service about an order, in the saga of its cause."""
    order_id = payload.order_id  # type: ignore[attr-defined]
    uow.announce(TYPES.event(payload, aggregate_type=service, aggregate_id=order_id, cause=cause))


async def reserve_credit(uow: UnitOfWork, event: Event, order: OrderCreated) -> None:
    """Customers: reserve credit for an order, unless there is a CreditReservation for it already, in any state."""
    if await uow.session.get(CreditReservation, order.order_id) is not None:
        return
    after = func.round(Customer.reserved + order.total, 2)
    mine = update(Customer).where(Customer.id == order.customer_id, after <= Customer.credit_limit)
    enough = await _changed(uow, mine.values(reserved=after))
    about: dict[str, Any] = {
        "order_id": order.order_id, "customer_id": order.customer_id, "amount": order.total,
    }  # fmt: skip
    row = {**about, "state": "RESERVED" if enough else "REFUSED"}
    await uow.session.execute(insert(CreditReservation).values(row))
    answer = CustomerCreditReserved(**about) if enough else CustomerCreditLimitExceeded(**about)
    say(uow, "Customers", answer, event)


async def reserve_stock(uow: UnitOfWork, event: Event, order: OrderCreated) -> None:
    """Inventory: put pieces aside for an order, unless there is a StockReservation for it already, in any state."""
    if await uow.session.get(StockReservation, order.order_id) is not None:
        return
    mine = update(Stock).where(Stock.sku == order.sku, Stock.available >= order.quantity)
    enough = await _changed(uow, mine.values(available=Stock.available - order.quantity))
    about: dict[str, Any] = {"order_id": order.order_id, "sku": order.sku, "quantity": order.quantity}
    row = {**about, "state": "RESERVED" if enough else "REFUSED"}
    await uow.session.execute(insert(StockReservation).values(row))
    answer = StockReserved(**about) if enough else StockUnavailable(**about)
    say(uow, "Inventory", answer, event)


async def _changed(uow: UnitOfWork, statement: Any) -> bool:
    result = await uow.session.execute(statement.execution_options(synchronize_session=False))
    return bool(result.rowcount)  # type: ignore[attr-defined]
