"""The housekeeper: what is old goes, what is young stays, and one failing chore stops no other."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from lab_support.database import build_engine, create_tables, session_factory, utc_now
from lab_support.messaging import EmbeddedBus, Message
from lab_support.services.customers.entities import CustomersBase, InboxMessage
from lab_support.services.customers.events import EVENTS, NothingToCompensate
from lab_support.services.housekeeping import KEEP_INBOX, Housekeeper, clean_bus, clean_inbox


def event():
    from uuid import uuid4

    order_id = uuid4()
    payload = NothingToCompensate(order_id=order_id, action="release-credit")
    return EVENTS.event(payload, aggregate_type="customer", aggregate_id=order_id)


async def test_old_inbox_rows_go_and_young_ones_stay(tmp_path: Path) -> None:
    """An event received longer ago than any bus repeats it is forgotten."""
    from lab_support.messaging.inbox import receive

    engine = build_engine(f"sqlite+aiosqlite:///{tmp_path / 'customers.db'}")
    await create_tables(engine, CustomersBase.metadata)
    sessions = session_factory(engine)
    old, young = event(), event()
    async with sessions.begin() as session:
        for one in (old, young):
            await receive(session, InboxMessage, "customers", one)
        long_ago = utc_now() - KEEP_INBOX - timedelta(seconds=1)
        mine = update(InboxMessage).where(InboxMessage.event_id == old.event_id)
        await session.execute(mine.values(received_at=long_ago))

    assert not await Housekeeper([clean_inbox(sessions, InboxMessage)]).turn()

    async with sessions() as session:
        assert list(await session.scalars(select(InboxMessage.event_id))) == [young.event_id]
        assert await session.scalar(select(func.count()).select_from(InboxMessage)) == 1
    await engine.dispose()


async def test_failing_chore_keeps_no_other_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    """The log tells of the one that failed."""
    done = []

    async def fail() -> int:
        raise ZeroDivisionError

    async def work() -> int:
        done.append("work")
        return 1

    await Housekeeper([fail, work]).turn()

    assert done == ["work"]
    assert "A chore failed" in caplog.text


async def test_embedded_bus_is_cleaned(tmp_path: Path) -> None:
    """What every group has read leaves the log, except the newest."""

    async def hear(_event: object) -> None:
        """Hear it, and be done."""

    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        reader = bus.subscribe("customer", "orders", hear)
        await bus.publish([Message("customer", event()) for _ in range(5)])
        await reader.drain()
        (chore,) = clean_bus(bus)
        assert await chore() == 0  # the newest 10,000 stay
        assert await bus.purge(keep=2) == 3
