"""Words for tests of Orders: a clock, events as the participants send them, and what the tables hold."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import Consumer, Event, event_of
from lab_support.services.orders.dtos import OrderLineCreate
from lab_support.services.orders.entities import (
    InboxMessage,
    Order,
    OrdersBase,
    OutboxMessage,
    TimelineEntry,
)
from lab_support.services.orders.events import EVENTS
from lab_support.services.orders.handlers import HEARD, NAME, Hearing
from lab_support.services.vocabulary import PayBy

Sessions = async_sessionmaker[AsyncSession]
DEADLINE_S = 30.0
LIMIT_S = 60
NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def lines(*wanted: tuple[str, int]) -> list[OrderLineCreate]:
    """Order so many pieces of each."""
    return [OrderLineCreate(sku=sku, quantity=pieces) for sku, pieces in wanted or (("LAMP-7", 2),)]


def told(payload: BaseModel, by: str, saga_id: UUID | None, **more: Any) -> Event:
    """Give the event with which a participant tells something; `by` is the kind of its aggregate."""
    order_id = getattr(payload, "order_id", uuid4())
    return EVENTS.event(payload, aggregate_type=by, aggregate_id=order_id, saga_id=saga_id, **more)


def consumer(sessions: Sessions, hearing: Hearing, *, replies: bool = False) -> Consumer:
    """Give the handler that the bus would call."""
    return Consumer(
        name=NAME,
        sessions=sessions,
        inbox=InboxMessage,
        outbox=OutboxMessage,
        types=HEARD,
        effect=hearing.answered if replies else hearing.heard,
    )


async def the_order(sessions: Sessions, order_id: UUID) -> Order:
    async with sessions() as session:
        return await session.get_one(Order, order_id)


async def announced(sessions: Sessions) -> list[Event]:
    """Give all events in the outbox, in their sequence."""
    async with sessions() as session:
        return [
            event_of(row) for row in await session.scalars(select(OutboxMessage).order_by(OutboxMessage.seq))
        ]


async def noted(sessions: Sessions) -> Sequence[TimelineEntry]:
    async with sessions() as session:
        return (await session.scalars(select(TimelineEntry).order_by(TimelineEntry.id))).all()


async def rows(sessions: Sessions, *entities: type[OrdersBase]) -> tuple[int, ...]:
    """Count the rows of each table."""
    async with sessions() as session:
        return tuple(
            [await session.scalar(select(func.count()).select_from(entity)) or 0 for entity in entities]
        )


PAY_BY: tuple[PayBy, ...] = ("credit", "card")
