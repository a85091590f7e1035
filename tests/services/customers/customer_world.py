"""Customers by itself, with what others say to it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.messaging import Event
from lab_support.services.customers import events as say
from lab_support.services.customers.entities import (
    CompensationTask,
    CreditReservation,
    Customer,
    CustomersBase,
    InboxMessage,
    Letter,
    OutboxMessage,
)
from lab_support.services.customers.participation import participate
from tests.services.participating import World, message

ITEMS: Any = [{"sku": "LAMP-7", "quantity": 1}]


class CustomerWorld(World):
    """Customers, heard and seen from outside."""

    types, tables = say.EVENTS, CustomersBase.metadata
    outbox, inbox, tasks = OutboxMessage, InboxMessage, CompensationTask
    participate = staticmethod(participate)

    @classmethod
    async def opened(cls, engine: AsyncEngine, credit: Mapping[str, str] | None = None) -> Self:
        """Make the tables and a few customers; linus is blocked."""
        world = cls(engine)
        await world.create_tables()
        await world.add(credit or {"ada": "100.00", "linus": "100.00"})
        return world

    async def add(self, credit: Mapping[str, str]) -> None:
        async with self.sessions() as session, session.begin():
            session.add_all(
                Customer(id=id_, name=id_, email="a@b", credit=Decimal(left), blocked=id_ == "linus")
                for id_, left in credit.items()
            )

    async def remove(self, customer_id: str) -> None:
        async with self.sessions() as session, session.begin():
            await session.execute(delete(Customer).where(Customer.id == customer_id))

    async def block(self, customer_id: str) -> None:
        async with self.sessions() as session, session.begin():
            await session.execute(update(Customer).where(Customer.id == customer_id).values(blocked=True))

    async def set_credit(self, amount: str, customer_id: str = "ada") -> None:
        async with self.sessions() as session, session.begin():
            change = update(Customer).where(Customer.id == customer_id).values(credit=Decimal(amount))
            await session.execute(change)

    async def credit(self, customer_id: str = "ada") -> str:
        async with self.sessions() as session:
            return str(await session.scalar(select(Customer.credit).where(Customer.id == customer_id)))

    async def status(self, order: UUID) -> str | None:
        """Give what was decided about an order."""
        async with self.sessions() as session:
            row = await session.get(CreditReservation, order)
        return None if row is None else row.status

    async def reserved(self, customer_id: str = "ada") -> Decimal:
        """Add up what is reserved."""
        mine = (CreditReservation.customer_id == customer_id, CreditReservation.status == "RESERVED")
        async with self.sessions() as session:
            amounts = (await session.scalars(select(CreditReservation.amount).where(*mine))).all()
        return sum((amount or Decimal() for amount in amounts), Decimal())

    async def letters(self, order: UUID) -> int:
        async with self.sessions() as session:
            return await session.scalar(select(func.count()).where(Letter.order_id == order)) or 0

    async def about(self, order: UUID) -> tuple[Any, ...]:
        """Give everything that Customers keeps about an order."""
        told, task = await self.told(order), await self.task(order)
        return await self.status(order), told, task and task[0], await self.letters(order)


def created(order: UUID, total: str = "30.00", **more: Any) -> Event:
    fields = {"customer_id": "ada", "pay_by": "credit", "items": ITEMS, **more}
    return _order(say.OrderCreated(order_id=order, total=Decimal(total), **fields))


def failed(order: UUID, *compensate: Any, customer_id: str = "ada") -> Event:
    return _order(
        say.OrderFailed(
            order_id=order, customer_id=customer_id, reason="DEADLINE", compensate=list(compensate)
        )
    )


def approved(order: UUID, customer_id: str = "ada") -> Event:
    return _order(say.OrderApproved(order_id=order, customer_id=customer_id))


def confirmed(order: UUID, customer_id: str = "ada") -> Event:
    return _order(say.OrderConfirmed(order_id=order, customer_id=customer_id))


def resolved(order: UUID, resolution: Any, service: str = "customers") -> Event:
    return _order(
        say.ReviewResolved(order_id=order, service=service, action="release-credit", resolution=resolution)
    )


def stock_unavailable(order: UUID) -> Event:
    return message(say.EVENTS, "stock", say.StockUnavailable(order_id=order))


def reserve(order: UUID, amount: str = "30.00", customer_id: str = "ada") -> Event:
    return _command(
        say.ReserveCredit(order_id=order, customer_id=customer_id, amount=Decimal(amount), items=ITEMS)
    )


def verify(order: UUID, customer_id: str = "ada") -> Event:
    return _command(
        say.VerifyCustomer(order_id=order, customer_id=customer_id, amount=Decimal("30.00"), items=ITEMS)
    )


def release(order: UUID, customer_id: str = "ada") -> Event:
    return _command(say.ReleaseCredit(order_id=order, customer_id=customer_id))


def _order(payload: Any) -> Event:
    return message(say.EVENTS, "order", payload)


def _command(payload: Any) -> Event:
    return message(say.EVENTS, say.COMMANDS, payload)
