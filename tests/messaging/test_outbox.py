"""The outbox: change and event in one transaction, on each engine and at every point of a crash."""

import contextlib

import pytest
from messaging_tables import (
    MOMENT,
    PLACES,
    SAGA,
    OutboxMessage,
    Sale,
    Sessions,
    announce,
    counted,
    number_of,
    rows,
    sell,
    statuses,
)
from sqlalchemy import inspect, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import fault, trace_sql
from lab_support.messaging import (
    MAX_EVENT_BYTES,
    Event,
    EventTooLargeError,
    event_of,
    parked_events,
    retry_parked,
    unit_of_work,
)

DEBEZIUM = {"id", "aggregatetype", "aggregateid", "type", "payload"}
OURS = {
    "seq",
    "topic",
    "headers",
    "occurred_at",
    "published_at",
    "claimed_until",
    "attempts",
    "parked_at",
    "last_error",
}


def test_table_has_the_columns_of_debezium() -> None:
    """A CDC connector with its default settings finds what it reads; the rest is ours."""
    assert set(OutboxMessage.__table__.columns.keys()) == DEBEZIUM | OURS


async def test_announced_event_comes_back_from_its_row(sessions: Sessions) -> None:
    """Every field of the envelope survives the table, its microseconds and its emoji too."""
    cause = counted("7", 1, saga_id=SAGA)
    event = counted("Ärger 🦊", 2, cause=cause, occurred_at=MOMENT)
    await announce(sessions, event)

    [row] = await rows(sessions)
    assert event_of(row) == event
    assert (row.status, row.topic, row.attempts) == ("PENDING", "order", 0)
    assert row.headers == {"saga_id": str(SAGA), "causation_id": str(cause.event_id), "version": 1}


async def test_events_are_numbered_as_announced(sessions: Sessions) -> None:
    """The insertion order is kept within a unit of work and from one to the next."""
    events = [counted(str(n % 3), n) for n in range(40)]
    await announce(sessions, *events[:30])
    await announce(sessions, *events[30:])

    assert [event_of(row) for row in await rows(sessions)] == events


async def test_outbox_costs_one_statement(engine: AsyncEngine, sessions: Sessions) -> None:
    """However many events are announced; and none, when nothing is."""
    with trace_sql(engine) as trace:
        await announce(sessions, *[counted("7", n) for n in range(20)])
    assert len(trace.statements) == 2

    with trace_sql(engine) as trace:
        await announce(sessions)
    assert len(trace.statements) == 1


async def test_crash_at_every_point_keeps_both_or_neither(engine: AsyncEngine, sessions: Sessions) -> None:
    """Wherever the process dies, there is never a sale without its event, nor an event without its sale."""
    kept = 0
    for place in PLACES:
        with fault(engine, how="die", **place) as injected:
            await announce(sessions, counted("7", 1))
        kept += not injected.reached or "after_commit" in place
        assert (await number_of(sessions, Sale), await number_of(sessions, OutboxMessage)) == (kept, kept)
        if not injected.reached:
            assert place == {"after_statement": 3}
            break


@pytest.mark.parametrize("wrong", ["oversized", "no event"])
async def test_unpublishable_event_keeps_nothing(sessions: Sessions, wrong: str) -> None:
    """What no bus would carry is refused at the commit, with the change it belongs to."""
    event = Event(
        type="Bulk", aggregate_type="order", aggregate_id="7", payload={"text": "x" * MAX_EVENT_BYTES}
    )
    with pytest.raises((EventTooLargeError, TypeError), match=r"Bulk is|is no Event"):
        await announce(sessions, event if wrong == "oversized" else {"type": "Bulk"})  # type: ignore[arg-type]

    assert (await number_of(sessions, Sale), await number_of(sessions, OutboxMessage)) == (0, 0)


async def test_commit_wakes_the_relay_and_a_rollback_does_not(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """It is woken after the commit alone, and only when there is something to publish."""
    woken: list[str] = []

    await announce(sessions, wake=lambda: woken.append("nothing announced"))
    async with unit_of_work(sessions, OutboxMessage, wake=lambda: woken.append("rolled back")) as uow:
        await sell(uow, counted("7", 1))
    with fault(engine, at_commit=True, how="die"):
        await announce(sessions, counted("7", 1), wake=lambda: woken.append("died"))
    assert woken == []

    await announce(sessions, counted("7", 1), wake=lambda: woken.append("committed"))
    assert woken == ["committed"]


async def test_rolled_back_savepoint_takes_its_events_along(sessions: Sessions) -> None:
    """What was announced in a savepoint that failed is not stored; the rest is."""
    async with unit_of_work(sessions, OutboxMessage) as uow:
        await sell(uow, counted("7", 1))
        with contextlib.suppress(LookupError):
            async with uow.savepoint():
                await sell(uow, counted("7", 2))
                raise LookupError
        await uow.commit()

    assert [row.payload for row in await rows(sessions)] == [{"n": 1}]
    assert await number_of(sessions, Sale) == 1


async def test_parked_row_is_listed_and_can_be_retried(sessions: Sessions) -> None:
    """It is found with its error, and gets all its attempts again; an unparked row is left alone."""
    one, two = counted("7", 1), counted("8", 2)
    await announce(sessions, one, two)
    async with sessions() as session:
        changed = {"parked_at": MOMENT, "attempts": 5, "last_error": "refused", "claimed_until": MOMENT}
        await session.execute(update(OutboxMessage).where(OutboxMessage.id == one.event_id).values(changed))
        await session.commit()
    assert await statuses(sessions) == ["PARKED", "PENDING"]

    async with sessions() as session:
        assert [row.last_error for row in await parked_events(session, OutboxMessage)] == ["refused"]
        assert await retry_parked(session, OutboxMessage, [one.event_id, two.event_id]) == 1
        await session.commit()
    assert [(row.status, row.attempts) for row in await rows(sessions)] == [("PENDING", 0)] * 2


async def test_dying_process_does_not_wake_anybody(engine: AsyncEngine, sessions: Sessions) -> None:
    """Dead just after its COMMIT it has kept the event and told nobody: that is what the slow poll is for."""
    woken: list[str] = []
    with fault(engine, after_commit=True, how="die") as injected:
        await announce(sessions, counted("7", 1), wake=lambda: woken.append("committed"))

    assert (injected.reached, woken) == (True, [])
    assert await statuses(sessions) == ["PENDING"]


async def test_table_has_the_columns_of_debezium_outbox_router(engine: AsyncEngine, backend: str) -> None:
    """By the router's default names, none empty: a unique id, the key and the route as text, the payload as JSON."""
    async with engine.connect() as connection:
        found = await connection.run_sync(lambda sync: inspect(sync).get_columns("outbox"))
        unique = await connection.run_sync(lambda sync: inspect(sync).get_unique_constraints("outbox"))
    columns = {one["name"]: one for one in found}
    names = ["id", "aggregatetype", "aggregateid", "type", "payload"]
    types = {name: columns[name]["type"].compile(dialect=engine.dialect).split(" ")[0] for name in names}
    text = "VARCHAR(255)"
    expected = {
        "sqlite": ["CHAR(32)", text, text, text, "JSON"],
        "postgresql": ["UUID", text, text, text, "JSON"],
        "mariadb": ["UUID", text, text, text, "LONGTEXT"],
    }

    assert list(types.values()) == expected[backend]
    assert not any(columns[name]["nullable"] for name in names)
    assert ["id"] in [one["column_names"] for one in unique]
