"""The common base: names, repr, moments."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from database_tables import Counter, Mark, TrialBase, one_counter
from sqlalchemy import inspect, select, update
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

Sessions = async_sessionmaker[AsyncSession]


async def test_constraints_carry_names_made_from_their_columns(engine: AsyncEngine) -> None:
    """A migration can name what it drops."""
    await one_counter(engine)
    async with engine.connect() as connection:
        index, foreign_key = await connection.run_sync(
            lambda sync: (
                inspect(sync).get_indexes("counters")[0],
                inspect(sync).get_foreign_keys("marks")[0],
            )
        )

    assert index["name"] == "ix_counters_name"
    assert foreign_key["name"] == "fk_marks_counter_id_counters"
    assert TrialBase.metadata.tables["counters"].primary_key.name == "pk_counters"


def test_repr_names_class_and_key_and_loads_nothing() -> None:
    """It works on an object that no session knows, and shows no other column."""
    assert repr(Counter(id=7, name="hush")) == "<Counter id=7>"
    assert repr(Mark()) == "<Mark id=None>"


async def test_repr_of_an_expired_object_asks_no_database(engine: AsyncEngine) -> None:
    """Where a lazy load would raise MissingGreenlet, the repr still answers."""
    await one_counter(engine)
    async with AsyncSession(engine, expire_on_commit=True) as session:
        counter = await session.get_one(Counter, 1)
        await session.commit()

        assert repr(counter) == "<Counter id=None>"


async def test_times_come_back_aware_and_in_utc(engine: AsyncEngine, sessions: Sessions) -> None:
    """Rows written by Python and by bare SQL both have times, aware on every engine, to the microsecond."""
    before = datetime.now(UTC) - timedelta(seconds=5)
    await one_counter(engine)
    elsewhere = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    async with sessions() as session:
        session.add(Counter(id=2, name="python", created_at=elsewhere))
        await session.commit()
    async with sessions() as session:
        by_server, by_python = (await session.scalars(select(Counter).order_by(Counter.id))).all()

    assert before < by_server.created_at < datetime.now(UTC) + timedelta(seconds=5)
    assert by_server.created_at.utcoffset() == timedelta(0)
    assert by_python.created_at == elsewhere
    assert by_python.created_at.utcoffset() == timedelta(0)


async def test_change_moves_updated_at_and_not_created_at(engine: AsyncEngine, sessions: Sessions) -> None:
    """Reading either after the commit needs no refresh."""
    await one_counter(engine)
    async with sessions() as session:
        counter = Counter(id=2, name="one")
        session.add(counter)
        await session.commit()
        made, changed = counter.created_at, counter.updated_at
        counter.name = "two"
        await session.commit()

        assert counter.updated_at > changed
        assert counter.created_at == made


async def test_times_compare_across_zones_in_sql(engine: AsyncEngine, sessions: Sessions) -> None:
    """A moment given in another zone finds the row."""
    await one_counter(engine)
    moment = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    async with sessions() as session:
        await session.execute(update(Counter).values(created_at=moment))
        await session.commit()
        found = await session.scalars(
            select(Counter.id).where(Counter.created_at == datetime(2025, 12, 31, 22, 30, tzinfo=UTC))
        )

        assert found.all() == [1]


async def test_naive_time_is_refused(engine: AsyncEngine, sessions: Sessions) -> None:
    """Nobody can tell which moment a time without a zone means."""
    await one_counter(engine)
    async with sessions() as session:
        session.add(Counter(id=2, name="x", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001
        with pytest.raises(StatementError, match="has no time zone"):
            await session.commit()


async def test_forty_rows_get_rising_times(engine: AsyncEngine, sessions: Sessions) -> None:
    """Microseconds are kept, so rows of one second can be told apart."""
    await one_counter(engine)
    async with sessions() as session:
        for number in range(2, 42):
            session.add(Counter(id=number, name=str(number)))
            await session.flush()
            await asyncio.sleep(0)
        await session.commit()
        times = (await session.scalars(select(Counter.created_at).order_by(Counter.id).offset(1))).all()

    assert times == sorted(times)
    assert len(set(times)) == 40
