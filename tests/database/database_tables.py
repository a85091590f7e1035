"""Two small tables and the steps that several test modules take with them."""

from decimal import Decimal

from sqlalchemy import ForeignKey, MetaData, Numeric, String, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import TimestampMixin
from lab_support.database.base import NAMING_CONVENTION, Base


class TrialBase(DeclarativeBase):
    """A registry of the tests' own."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = Base.type_annotation_map
    __repr__ = Base.__repr__


class Counter(TimestampMixin, TrialBase):
    __tablename__ = "counters"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), index=True)
    value: Mapped[int] = mapped_column(default=0, server_default="0")
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))


class Mark(TrialBase):
    __tablename__ = "marks"

    id: Mapped[int] = mapped_column(primary_key=True)
    counter_id: Mapped[int] = mapped_column(ForeignKey("counters.id"))


async def one_counter(engine: AsyncEngine) -> None:
    """Create the tables and one counter, number 1, at zero."""
    async with engine.begin() as connection:
        await connection.run_sync(TrialBase.metadata.create_all)
        await connection.execute(Counter.__table__.insert().values(name="clicks"))


async def value_of_counter(sessions: async_sessionmaker[AsyncSession]) -> int:
    async with sessions() as session:
        return (await session.scalars(select(Counter.value).where(Counter.id == 1))).one()


async def number_of(sessions: async_sessionmaker[AsyncSession], entity: type[TrialBase]) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(entity)) or 0
