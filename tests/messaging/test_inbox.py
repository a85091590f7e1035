"""The inbox: one effect per event, whatever arrives twice, at once, unknown or in the middle of a crash."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from messaging_tables import (
    PLACES,
    TYPES,
    Counted,
    InboxMessage,
    OutboxMessage,
    Sale,
    Sessions,
    counted,
    number_of,
    rows,
    sell,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import UnitOfWork, fault, trace_sql
from lab_support.messaging import Consumer, Event, EventTypes, inbox


async def sells(uow: UnitOfWork, event: Event, payload: Any) -> None:
    """Have one effect, and announce it."""
    await sell(uow, counted(event.aggregate_id, payload.n + 1, cause=event))


def consumer(sessions: Sessions, **changes: Any) -> Consumer:
    settings = {
        "name": "stock",
        "inbox": InboxMessage,
        "outbox": OutboxMessage,
        "types": TYPES,
        "effect": sells,
    }
    return Consumer(sessions=sessions, **{**settings, **changes})


async def found(sessions: Sessions) -> tuple[int, int, int]:
    """Count effects, announcements and events received."""
    return (
        await number_of(sessions, Sale),
        await number_of(sessions, OutboxMessage),
        await number_of(sessions, InboxMessage),
    )


async def test_concurrent_copies_have_one_effect(sessions: Sessions) -> None:
    """Five deliveries at once and two later ones: one effect, one announcement."""
    deal = consumer(sessions)
    event = counted("7", 1)
    await asyncio.gather(*[deal(event) for _ in range(5)])
    await deal(event)
    await deal(event)

    assert await found(sessions) == (1, 1, 1)
    [row] = await rows(sessions)
    assert row.headers["causation_id"] == str(event.event_id)


async def test_two_consumers_of_one_inbox_have_an_effect_each(sessions: Sessions) -> None:
    """The name tells them apart; a different event is not a copy."""
    event = counted("7", 1)
    for name in ("stock", "mail"):
        await consumer(sessions, name=name)(event)
    await consumer(sessions)(counted("7", 1))

    assert await found(sessions) == (3, 3, 3)


async def test_failed_effect_forgets_the_event(sessions: Sessions) -> None:
    """What the effect raises comes out and keeps nothing: the next delivery is the first again."""
    event = counted("7", 1)

    async def fails(uow: UnitOfWork, event: Event, payload: Any) -> None:
        await sells(uow, event, payload)
        await uow.flush()
        raise LookupError("no such product")

    with pytest.raises(LookupError, match="no such product"):
        await consumer(sessions, effect=fails)(event)
    assert await found(sessions) == (0, 0, 0)

    await consumer(sessions)(event)
    assert await found(sessions) == (1, 1, 1)


async def test_waiting_copy_takes_over_when_the_first_fails(sessions: Sessions) -> None:
    """A copy that waited for the first one's rollback has the effect itself."""
    inside, fail = asyncio.Event(), asyncio.Event()

    async def hesitates(uow: UnitOfWork, event: Event, payload: Any) -> None:
        inside.set()
        await fail.wait()
        raise LookupError

    event = counted("7", 1)
    first = asyncio.create_task(consumer(sessions, effect=hesitates)(event))
    async with asyncio.timeout(20):
        await inside.wait()
        second = asyncio.create_task(consumer(sessions)(event))
        await asyncio.wait([second], timeout=0.05)
        assert not second.done()
        fail.set()
        await asyncio.gather(first, second, return_exceptions=True)

    assert isinstance(first.exception(), LookupError)
    assert second.exception() is None
    assert await found(sessions) == (1, 1, 1)


async def test_crash_at_every_point_has_one_effect_in_the_end(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """Wherever the consumer dies, the next delivery leaves exactly one effect, announced once."""
    for done, place in enumerate(PLACES, start=1):
        event = counted("7", 1)
        with fault(engine, how="die", **place) as injected:
            await consumer(sessions)(event)
        await consumer(sessions)(event)
        assert await found(sessions) == (done, done, done)
        if not injected.reached:
            assert place == {"after_statement": 4}
            break


async def test_unreadable_event_is_parked_and_can_be_retried(sessions: Sessions) -> None:
    """Unknown, newer or malformed: kept with its text and reason, no effect, and a better reader can take it."""
    newer = counted("7", 1).model_copy(update={"version": 2})
    unknown = counted("7", 1).model_copy(update={"type": "Weighed"})
    malformed = counted("7", 1).model_copy(update={"payload": {"n": "many"}})
    for event in (newer, newer, unknown, malformed):
        await consumer(sessions)(event)
    assert await found(sessions) == (0, 0, 3)
    async with sessions() as session:
        reasons = [row.last_error or "" for row in await inbox.parked(session, InboxMessage)]
    assert ["version 2" in reasons[0], "'Weighed'" in reasons[1], "n: Input" in reasons[2]] == [True] * 3

    types = EventTypes()
    types.register(Counted, version=2)
    better = consumer(sessions, types=types)
    assert await better.retry_parked([newer.event_id]) == 1
    await better(newer)
    assert await found(sessions) == (1, 1, 3)
    assert await better.retry_parked() == 0
    async with sessions() as session:
        still = await inbox.parked(session, InboxMessage, consumer="stock")
    assert [row.type for row in still] == ["Weighed", "Counted"]


async def test_crash_of_a_retry_keeps_the_parked_event(engine: AsyncEngine, sessions: Sessions) -> None:
    """Wherever a retry dies, the event is parked still or has had its one effect."""
    types = EventTypes()
    types.register(Counted, version=2)
    for done, place in enumerate(PLACES, start=1):
        newer = counted("7", 1).model_copy(update={"version": 2})
        await consumer(sessions)(newer)
        with fault(engine, how="die", **place) as injected:
            await consumer(sessions, types=types).retry_parked()
        await consumer(sessions, types=types).retry_parked()
        assert await found(sessions) == (done, done, done)
        if not injected.reached:
            assert place == {"after_statement": 6}  # to list, take, unpark, sell, announce
            break


async def test_failed_effect_of_a_retry_leaves_the_event_parked(sessions: Sessions) -> None:
    """What the effect raises comes out, and the event can be retried again."""
    await consumer(sessions)(counted("7", 1).model_copy(update={"version": 2}))
    types = EventTypes()
    types.register(Counted, version=2)

    async def fails(_uow: UnitOfWork, _event: Event, _payload: Any) -> None:
        raise LookupError("no such product")

    with pytest.raises(LookupError, match="no such product"):
        await consumer(sessions, types=types, effect=fails).retry_parked()
    assert await consumer(sessions, types=types).retry_parked() == 1
    assert await found(sessions) == (1, 1, 1)


async def test_types_that_nobody_asked_for_cost_no_statement(engine: AsyncEngine, sessions: Sessions) -> None:
    """Two of a topic's event types are used: the others are acknowledged without a transaction or a row."""
    deal = consumer(sessions, only={"Counted", "Weighed"})
    with trace_sql(engine) as trace:
        await deal(counted("7", 1).model_copy(update={"type": "Painted"}))
    assert trace.statements == []

    await deal(counted("7", 1))
    await deal(counted("7", 1).model_copy(update={"type": "Weighed"}))
    assert await found(sessions) == (1, 1, 2)
    async with sessions() as session:
        assert [row.type for row in await inbox.parked(session, InboxMessage)] == ["Weighed"]


async def test_purge_forgets_old_events_but_not_parked_ones(sessions: Sessions) -> None:
    """Only what is older than the limit goes; what waits for a reader stays."""
    await consumer(sessions)(counted("7", 1))
    await consumer(sessions)(counted("7", 1).model_copy(update={"version": 2}))
    async with sessions() as session:
        assert await inbox.purge(session, InboxMessage, older_than=timedelta(days=1)) == 0
        assert await inbox.purge(session, InboxMessage, older_than=timedelta(seconds=-1)) == 1
        await session.commit()

    assert await number_of(sessions, InboxMessage) == 1


async def test_name_that_does_not_fit_is_refused(sessions: Sessions) -> None:
    """MariaDB would cut it off without a word."""
    with pytest.raises(ValueError, match="1 to 100 characters"):
        await consumer(sessions, name="x" * 101)(counted("7", 1))
