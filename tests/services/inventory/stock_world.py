"""Inventory by itself, with what others say to it."""

from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.messaging import Event
from lab_support.services.inventory import events as say
from lab_support.services.inventory.entities import (
    CompensationTask,
    InboxMessage,
    InventoryBase,
    OutboxMessage,
    Reservation,
    ReservationLine,
    Stock,
)
from lab_support.services.inventory.participation import participate
from lab_support.services.vocabulary import Line
from tests.services.participating import World, message

Pieces = Mapping[str, int]
ONE_LAMP: Pieces = {"LAMP-7": 1}


class StockWorld(World):
    """Inventory, heard and seen from outside."""

    types, tables = say.EVENTS, InventoryBase.metadata
    outbox, inbox, tasks = OutboxMessage, InboxMessage, CompensationTask
    participate = staticmethod(participate)

    @classmethod
    async def opened(cls, engine: AsyncEngine, stock: Pieces | None = None) -> Self:
        """Make the tables and a small warehouse; OLD-1 is discontinued."""
        world = cls(engine)
        await world.create_tables()
        await world.add(stock or {"LAMP-7": 5, "DESK-1": 3, "OLD-1": 9})
        return world

    async def add(self, stock: Pieces) -> None:
        async with self.sessions() as session, session.begin():
            session.add_all(
                Stock(sku=sku, available=many, discontinued=sku == "OLD-1") for sku, many in stock.items()
            )

    async def remove(self, sku: str) -> None:
        async with self.sessions() as session, session.begin():
            await session.execute(delete(Stock).where(Stock.sku == sku))

    async def change(self, sku: str, **values: Any) -> None:
        async with self.sessions() as session, session.begin():
            await session.execute(update(Stock).where(Stock.sku == sku).values(**values))

    async def available(self, *skus: str) -> list[int | None]:
        """Give how many pieces are left of each product; None when it is gone."""
        async with self.sessions() as session:
            rows = await session.execute(select(Stock.sku, Stock.available).where(Stock.sku.in_(skus)))
            found = {row.sku: row.available for row in rows}
        return [found.get(sku) for sku in skus]

    async def status(self, order: UUID) -> str | None:
        """Give what was decided about an order."""
        async with self.sessions() as session:
            row = await session.get(Reservation, order)
        return None if row is None else row.status

    async def reserved(self, *skus: str) -> list[int]:
        """Add up the pieces of each product that are reserved."""
        mine = (ReservationLine.order_id == Reservation.order_id, Reservation.status == "RESERVED")
        async with self.sessions() as session:
            rows = (
                await session.execute(select(ReservationLine.sku, ReservationLine.quantity).where(*mine))
            ).all()
        return [sum(row.quantity for row in rows if row.sku == sku) for sku in skus]

    async def about(self, order: UUID) -> tuple[Any, ...]:
        """Give everything that Inventory keeps about an order."""
        told, task = await self.told(order), await self.task(order)
        return await self.status(order), told, task and task[0]


def credit_reserved(order: UUID, pieces: Pieces = ONE_LAMP) -> Event:
    return message(say.EVENTS, "customer", say.CustomerCreditReserved(order_id=order, items=lines(pieces)))


def paid(order: UUID, pieces: Pieces = ONE_LAMP) -> Event:
    return message(say.EVENTS, "payment", say.PaymentSuccessful(order_id=order, items=lines(pieces)))


def failed(order: UUID, *compensate: Any) -> Event:
    return message(say.EVENTS, "order", say.OrderFailed(order_id=order, compensate=list(compensate)))


def resolved(order: UUID, resolution: Any, service: str = "inventory") -> Event:
    payload = say.ReviewResolved(
        order_id=order, service=service, action="release-stock", resolution=resolution
    )
    return message(say.EVENTS, "order", payload)


def reserve(order: UUID, pieces: Pieces = ONE_LAMP, pay_by: Any = "credit") -> Event:
    payload = say.ReserveStock(order_id=order, items=lines(pieces), pay_by=pay_by)
    return message(say.EVENTS, say.COMMANDS, payload)


def release(order: UUID) -> Event:
    return message(say.EVENTS, say.COMMANDS, say.ReleaseStock(order_id=order))


def lines(pieces: Pieces) -> list[Line]:
    return [Line(sku=sku, quantity=many) for sku, many in pieces.items()]
