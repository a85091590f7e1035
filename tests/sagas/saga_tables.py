"""One service's tables and events, as several test modules of sagas use them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import MetaData, String, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database.base import NAMING_CONVENTION, Base
from lab_support.messaging import Event, EventTypes, InboxMixin, OutboxMixin
from lab_support.sagas import CompensationMixin, SagaMixin

Sessions = async_sessionmaker[AsyncSession]
MOMENT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
SAGA = UUID("00000000-0000-4000-8000-000000000001")


class TrialBase(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = Base.type_annotation_map


class OutboxMessage(OutboxMixin, TrialBase):
    """The outbox of the trial service."""


class InboxMessage(InboxMixin, TrialBase):
    """Its inbox."""


class CompensationTask(CompensationMixin, TrialBase):
    """What it has to make good."""


class Saga(SagaMixin, TrialBase):
    """Its saga log."""


class Refund(TrialBase):
    """An effect that is visible once per row."""

    __tablename__ = "refunds"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(100))


class Told(TrialBase):
    """What the orchestrator told the service."""

    __tablename__ = "told"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    step: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str | None] = mapped_column(String(100))


class OrderFailed(BaseModel):
    """What asks for a compensation."""

    order_id: str


class Refunded(BaseModel):
    """What a compensation announces."""

    order_id: str


class RefundFailed(BaseModel):
    """What is announced when it failed for good."""

    order_id: str
    reason: str
    attempts: int


TYPES = EventTypes()
for _model in (OrderFailed, Refunded, RefundFailed):
    TYPES.register(_model)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def order_failed(order: str = "7") -> Event:
    return TYPES.event(OrderFailed(order_id=order), aggregate_type="order", aggregate_id=order, saga_id=SAGA)


async def create(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(TrialBase.metadata.create_all)


async def everything(sessions: Sessions, entity: type[Any]) -> list[Any]:
    """Read all rows in the order of their keys."""
    async with sessions() as session:
        return list(await session.scalars(select(entity).order_by(*entity.__table__.primary_key)))


async def number_of(sessions: Sessions, entity: type[Any]) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(entity)) or 0
