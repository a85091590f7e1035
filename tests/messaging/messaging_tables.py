"""One service's tables and events, as several test modules use them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import MetaData, String, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import UnitOfWork
from lab_support.database.base import NAMING_CONVENTION, Base
from lab_support.messaging import Event, EventTypes, InboxMixin, OutboxMixin, unit_of_work

Sessions = async_sessionmaker[AsyncSession]


class ShopBase(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = Base.type_annotation_map


class OutboxMessage(OutboxMixin, ShopBase):
    """The outbox of the trial service."""


class InboxMessage(InboxMixin, ShopBase):
    """Its inbox."""


class Sale(ShopBase):
    """An effect that is visible once per row."""

    __tablename__ = "sales"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(100))


class Counted(BaseModel):
    """The n-th thing that happened to an aggregate."""

    n: int


TYPES = EventTypes()
TYPES.register(Counted)


def counted(aggregate: str, n: int, **more: Any) -> Event:
    return TYPES.event(Counted(n=n), aggregate_type="order", aggregate_id=aggregate, **more)


async def create(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(ShopBase.metadata.create_all)


async def announce(sessions: Sessions, *events: Event, **options: Any) -> None:
    """Store a sale and what it announces."""
    async with unit_of_work(sessions, OutboxMessage, **options) as uow:
        await sell(uow, *events)
        await uow.commit()


async def sell(uow: UnitOfWork, *events: Event) -> None:
    uow.session.add(Sale(text="sold"))
    for event in events:
        uow.announce(event)


async def rows(sessions: Sessions) -> Sequence[OutboxMessage]:
    async with sessions() as session:
        return (await session.scalars(select(OutboxMessage).order_by(OutboxMessage.seq))).all()


async def statuses(sessions: Sessions) -> list[str]:
    return [row.status for row in await rows(sessions)]


async def number_of(sessions: Sessions, entity: type[ShopBase]) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(entity)) or 0


MOMENT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
SAGA = UUID("00000000-0000-4000-8000-000000000001")
PLACES: list[dict[str, Any]] = [
    {"at_commit": True},
    {"after_commit": True},
    *({"after_statement": k} for k in range(1, 20)),  # a test ends at the first that is not reached
]
