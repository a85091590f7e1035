"""The relay: nothing lost at any crash, order kept per aggregate by any number of relays, poison parked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from killing import killed
from messaging_tables import (
    MOMENT,
    PLACES,
    TYPES,
    InboxMessage,
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
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from lab_support.database import SimulatedDeath, UnitOfWork, build_engine, fault, session_factory, trace_sql
from lab_support.messaging import (
    BrokerUnavailableError,
    Consumer,
    EmbeddedBus,
    Event,
    Message,
    Relay,
    RelaySettings,
    retry_parked,
    unit_of_work,
)
from lab_support.messaging.claims import Claim, claim
from lab_support.messaging.outbox import write

Published = tuple[str, int]
SERVERS = [  # SQLite has one writer at a time
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> Any:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeBus:
    """A bus in memory that keeps what it confirmed, and refuses, hangs or dies on order."""

    def __init__(self) -> None:
        self.got: list[Published] = []
        self.batches: list[int] = []
        self.refuses: set[Published] = set()
        self.away = False
        self.dies: str | None = None
        self.kills: Published | None = None
        self.leaves_after_refusal = False
        self.slow = False
        self.hangs: asyncio.Event | None = None
        self.confirmed: asyncio.Queue[Published] = asyncio.Queue()

    async def publish(self, batch: Sequence[Message]) -> None:
        if self.slow:
            for _ in range(3):
                await asyncio.sleep(0)  # others get their turn
        if self.hangs is not None:
            self.hangs.set()
            await asyncio.Event().wait()
        if self.away:
            raise ConnectionRefusedError("no broker at this address")
        self._die("before")
        found = [(one.event.aggregate_id, int(str(one.event.payload["n"]))) for one in batch]
        if self.kills in found:
            raise SimulatedDeath
        if guilty := self.refuses.intersection(found):
            self.away = self.leaves_after_refusal
            raise ValueError(f"refused {sorted(guilty)}")
        self.got += found
        for one in found:
            self.confirmed.put_nowait(one)
        self.batches.append(len(found))
        self._die("after")

    def subscribe(self, topic: str, group: str, handler: object) -> object:
        raise NotImplementedError

    def _die(self, when: str) -> None:
        if self.dies == when:
            self.dies = None
            raise SimulatedDeath


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relay(sessions: Sessions, bus: FakeBus, clock: Clock) -> Relay:
    return relay_of(sessions, bus, clock)


def relay_of(sessions: Sessions, bus: Any, clock: Clock, **settings: Any) -> Relay:
    return Relay(sessions, OutboxMessage, bus, settings=RelaySettings(**settings), clock=clock)


def three_orders(each: int = 4) -> list[Event]:
    return [counted(order, n) for n in range(1, each + 1) for order in "abc"]


def in_order(got: Sequence[Published]) -> bool:
    """Tell whether each aggregate's events came first in their order; repetitions do not count."""
    firsts = list(dict.fromkeys(got))
    return all(
        [n for name, n in firsts if name == order] == sorted(n for name, n in firsts if name == order)
        for order in {name for name, _ in firsts}
    )


ALL = {(order, n) for n in range(1, 5) for order in "abc"}


async def test_batch_is_published_in_order_and_marked_in_one_statement(
    engine: AsyncEngine, sessions: Sessions, relay: Relay, bus: FakeBus
) -> None:
    """One batch costs three statements: find, claim, mark; then there is nothing left to do."""
    await announce(sessions, *three_orders())
    with trace_sql(engine) as trace:
        turn = await relay.turn()

    assert (len(turn.published), len(trace.statements)) == (12, 3)
    assert bus.got == [(order, n) for n in range(1, 5) for order in "abc"]
    assert set(await statuses(sessions)) == {"PUBLISHED"}
    assert (await relay.turn()).claimed == []


@pytest.mark.parametrize("backend", SERVERS)
async def test_late_commit_is_not_overlooked(sessions: Sessions, relay: Relay, bus: FakeBus) -> None:
    """A row with a lower number that is committed later is published: no cursor stands in its way."""
    async with unit_of_work(sessions, OutboxMessage) as late:
        await write(late.session, OutboxMessage, [counted("a", 1)])
        await announce(sessions, counted("b", 2))
        await relay.drain()
        assert bus.got == [("b", 2)]
        await late.commit()
    await relay.drain()

    assert [row.payload["n"] for row in await rows(sessions)] == [1, 2]
    assert bus.got == [("b", 2), ("a", 1)]


@pytest.mark.parametrize("place", ["before", "after"])
async def test_death_while_publishing_loses_nothing(
    sessions: Sessions, relay: Relay, bus: FakeBus, clock: Clock, place: str
) -> None:
    """The rows stay claimed until the lease ends, and are then published by the next relay."""
    await announce(sessions, *three_orders())
    bus.dies = place
    with pytest.raises(SimulatedDeath):
        await relay.turn()
    other = relay_of(sessions, bus, clock)
    assert (await other.turn()).claimed == []

    clock.pass_s(17)
    await other.drain()
    assert set(bus.got) == ALL
    assert len(bus.got) == (12 if place == "before" else 24)
    assert set(await statuses(sessions)) == {"PUBLISHED"}


async def test_crash_at_every_statement_and_commit_loses_nothing(
    engine: AsyncEngine, sessions: Sessions, bus: FakeBus, clock: Clock
) -> None:
    """Wherever the relay dies, another publishes the rest in order; what is repeated was confirmed before."""
    for tried, place in enumerate(PLACES, start=1):
        names = [f"{order}{tried}" for order in "ab"]
        await announce(sessions, *[counted(name, n) for n in (1, 2, 3) for name in names])
        with fault(engine, how="die", **place) as injected:
            await relay_of(sessions, bus, clock, batch=4).drain()
        clock.pass_s(17)
        await relay_of(sessions, bus, clock, batch=4).drain()

        got = [one for one in bus.got if one[0] in names]
        assert set(got) == {(name, n) for n in (1, 2, 3) for name in names}
        assert in_order(got)
        assert set(await statuses(sessions)) == {"PUBLISHED"}
        if not injected.reached:
            assert place == {"after_statement": 8}  # two batches of three statements, and the look that ends
            return
    pytest.fail("The last place was still reached.")


async def test_two_relays_keep_the_order_of_each_aggregate(
    database_url: str, sessions: Sessions, bus: FakeBus, clock: Clock
) -> None:
    """Three relays with small batches, while events are still committed: each event once, each order kept."""
    bus.slow = True
    engines = [build_engine(database_url) for _ in range(3)]
    relays = [
        relay_of(session_factory(engine), bus, clock, batch=size)
        for engine, size in zip(engines, (2, 3, 5), strict=True)
    ]
    expected = {(order, n) for n in range(1, 21) for order in "abc"}

    async def produce() -> None:
        for n in range(1, 21):
            await announce(sessions, *[counted(order, n) for order in "abc"])

    async def publish(relay: Relay) -> None:
        while len(bus.got) < len(expected):
            await relay.turn()

    async with asyncio.timeout(60):
        await asyncio.gather(produce(), *map(publish, relays))
    for engine in engines:
        await engine.dispose()

    assert sorted(bus.got) == sorted(expected)
    assert in_order(bus.got)


class Overtaken:
    """A session that lets somebody else act after its first statement."""

    def __init__(self, session: AsyncSession, rival: Callable[[], Awaitable[object]]) -> None:
        self._session, self._rival = session, rival
        self.scalars = session.scalars

    async def execute(self, statement: Any) -> Any:
        result = await self._session.execute(statement)
        rival, self._rival = self._rival, nothing
        await rival()
        return result


async def nothing() -> None:
    return None


@pytest.mark.parametrize("backend", SERVERS)
async def test_relay_that_lost_an_oldest_row_gives_the_later_ones_back(
    sessions: Sessions, bus: FakeBus, clock: Clock
) -> None:
    """Overtaken between its look and its claim, it keeps no row whose predecessor is another relay's."""
    await announce(sessions, *[counted("a", n) for n in (1, 2, 3)], counted("b", 1))
    claims: list[Claim] = []

    async def rival() -> None:
        async with unit_of_work(sessions, OutboxMessage) as uow:
            claims.append(await claim(uow.session, OutboxMessage, limit=2, now=clock.now, lease_s=15))
            await uow.commit()

    async with unit_of_work(sessions, OutboxMessage) as uow:
        overtaken: Any = Overtaken(uow.session, rival)
        claims.append(await claim(overtaken, OutboxMessage, limit=4, now=clock.now, lease_s=15))
        await uow.commit()

    assert [[(row.aggregateid, row.payload["n"]) for row in one.rows] for one in claims] == [
        [("a", 1), ("a", 2)],
        [("b", 1)],
    ]
    assert [row.claimed_until is None for row in await rows(sessions)] == [False, False, True, False]
    assert (await relay_of(sessions, bus, clock).turn()).claimed == []


async def test_poison_is_parked_and_the_others_go_on(
    sessions: Sessions, relay: Relay, bus: FakeBus, clock: Clock
) -> None:
    """Five failures park the row; later rows of its aggregate wait for it, all others are published."""
    await announce(sessions, *three_orders())
    bus.refuses = {("b", 2)}
    for _ in range(5):
        await relay.drain()
        clock.pass_s(60)

    assert set(bus.got) == ALL - {("b", 2), ("b", 3), ("b", 4)}
    assert len(bus.got) == len(set(bus.got))
    [poison] = [row for row in await rows(sessions) if row.status == "PARKED"]
    assert (poison.attempts, poison.last_error) == (5, "ValueError: refused [('b', 2)]")
    assert (await relay.turn()).claimed == []

    bus.refuses = set()
    async with sessions() as session:
        await retry_parked(session, OutboxMessage, [poison.id])
        await session.commit()
    await relay.drain()
    assert set(bus.got) == ALL
    assert in_order(bus.got)


async def test_row_that_kills_each_relay_is_parked_alone(
    sessions: Sessions, bus: FakeBus, clock: Clock
) -> None:
    """A batch died with its relay: its rows are tried one by one, so five deaths park the guilty row and no other."""
    await announce(sessions, counted("a", 1), counted("b", 1), counted("b", 2), counted("c", 1))
    bus.kills = ("b", 1)
    for _ in range(12):
        with suppress(SimulatedDeath):
            await relay_of(sessions, bus, clock).drain()
        clock.pass_s(17)

    found = {(row.aggregateid, row.payload["n"]): (row.status, row.attempts) for row in await rows(sessions)}
    assert found == {
        ("a", 1): ("PUBLISHED", 1),
        ("b", 1): ("PARKED", 5),
        ("b", 2): ("PENDING", 0),
        ("c", 1): ("PUBLISHED", 1),
    }
    [poison] = [row for row in await rows(sessions) if row.status == "PARKED"]
    assert "ended before it could say how" in (poison.last_error or "")


async def test_postponed_row_is_no_suspect(
    sessions: Sessions, relay: Relay, bus: FakeBus, clock: Clock
) -> None:
    """A row whose wait is over shares a batch with others, and its attempts are the refusals alone."""
    await announce(sessions, counted("a", 1), counted("b", 1))
    bus.refuses = {("a", 1)}
    await relay.turn()
    clock.pass_s(60)
    await announce(sessions, counted("c", 1))
    bus.refuses, bus.batches = set(), []
    await relay.turn()

    assert bus.batches == [2]
    assert [(row.status, row.attempts) for row in await rows(sessions)] == [
        ("PUBLISHED", 1),
        ("PUBLISHED", 0),
        ("PUBLISHED", 0),
    ]


async def test_failed_row_waits_longer_each_time(
    sessions: Sessions, relay: Relay, bus: FakeBus, clock: Clock
) -> None:
    """It is postponed by half a second, then by one; no turn touches it, or its aggregate, before."""
    await announce(sessions, counted("a", 1), counted("a", 2))
    bus.refuses = {("a", 1)}
    assert (await relay.turn()).failed != []
    clock.pass_s(0.4)
    assert (await relay.turn()).claimed == []
    clock.pass_s(0.2)
    assert (await relay.turn()).failed != []
    clock.pass_s(0.9)
    assert (await relay.turn()).claimed == []
    clock.pass_s(0.2)
    bus.refuses = set()
    await relay.drain()

    assert bus.got == [("a", 1), ("a", 2)]


async def test_row_that_is_no_event_is_parked(
    sessions: Sessions, relay: Relay, clock: Clock, bus: FakeBus
) -> None:
    """A row that somebody changed by hand is poison too, not a crash."""
    await announce(sessions, counted("a", 1), counted("b", 1))
    async with sessions() as session:
        broken = update(OutboxMessage).where(OutboxMessage.aggregateid == "a").values(headers={"version": -1})
        await session.execute(broken)
        await session.commit()
    for _ in range(5):
        await relay.drain()
        clock.pass_s(60)

    assert await statuses(sessions) == ["PARKED", "PUBLISHED"]
    assert "version" in ((await rows(sessions))[0].last_error or "")


async def test_absent_broker_costs_no_attempt(sessions: Sessions, relay: Relay, bus: FakeBus) -> None:
    """However long it is away, nothing is parked and nothing stays claimed; once back it gets everything."""
    await announce(sessions, *three_orders())
    bus.away = True
    for _ in range(10):
        with pytest.raises(BrokerUnavailableError, match="no broker at this address"):
            await relay.turn()
    assert {(row.status, row.attempts, row.claimed_until) for row in await rows(sessions)} == {
        ("PENDING", 0, None)
    }

    bus.away = False
    await relay.drain()
    assert set(bus.got) == ALL


async def test_broker_that_leaves_after_a_refusal_costs_the_others_nothing(
    sessions: Sessions, relay: Relay, bus: FakeBus
) -> None:
    """Away while the guilty row is looked for: no attempt is counted, and all rows are free again."""
    await announce(sessions, *three_orders())
    bus.refuses, bus.leaves_after_refusal = {("b", 1)}, True
    with pytest.raises(BrokerUnavailableError):
        await relay.turn()

    assert {(row.status, row.attempts, row.claimed_until) for row in await rows(sessions)} == {
        ("PENDING", 0, None)
    }


async def test_silent_broker_is_an_absent_one(sessions: Sessions, bus: FakeBus, clock: Clock) -> None:
    """No confirmation within half of the lease: the rows are free again."""
    await announce(sessions, counted("a", 1))
    bus.hangs = asyncio.Event()
    with pytest.raises(BrokerUnavailableError, match="TimeoutError"):
        await relay_of(sessions, bus, clock, lease_s=0.02).turn()

    assert [(row.status, row.attempts, row.claimed_until) for row in await rows(sessions)] == [
        ("PENDING", 0, None)
    ]


async def test_stopped_relay_leaves_no_claim(sessions: Sessions, relay: Relay, bus: FakeBus) -> None:
    """Cancelled while it publishes, it frees its rows: the next relay need not wait for the lease."""
    await announce(sessions, counted("a", 1))
    bus.hangs = asyncio.Event()
    task = asyncio.create_task(relay.run())
    async with asyncio.timeout(20):
        await bus.hangs.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    bus.hangs = None
    assert len((await relay.turn()).published) == 1


async def test_running_relay_is_woken_by_a_commit(sessions: Sessions, bus: FakeBus, clock: Clock) -> None:
    """With an hour between two looks, an event is published because its commit woke the relay."""
    relay = relay_of(sessions, bus, clock, poll_s=3600)
    task = asyncio.create_task(relay.run())
    async with asyncio.timeout(20):
        for n in (1, 2):
            await announce(sessions, counted("a", n), wake=relay.wake)
            assert await bus.confirmed.get() == ("a", n)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert bus.got == [("a", 1), ("a", 2)]


@pytest.mark.parametrize("backend", ["sqlite", SERVERS[0]])
async def test_running_relay_is_woken_by_a_commit_of_another_process(
    database_url: str, sessions: Sessions, bus: FakeBus, clock: Clock
) -> None:
    """With an hour between two looks and nobody to call it, a commit on another engine is published."""
    elsewhere = build_engine(database_url)
    task = asyncio.create_task(relay_of(sessions, bus, clock, poll_s=3600).run())
    async with asyncio.timeout(20):
        for n in (1, 2):
            await announce(session_factory(elsewhere), counted("a", n))
            assert await bus.confirmed.get() == ("a", n)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await elsewhere.dispose()

    assert bus.got == [("a", 1), ("a", 2)]


async def test_running_relay_finds_what_nobody_told_it_and_outlives_its_broker(
    sessions: Sessions, bus: FakeBus, clock: Clock
) -> None:
    """The slow poll finds a silent commit, and a broker that is away at first is tried again."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        bus.away = len(slept) < 3

    bus.away = True
    settings = RelaySettings(poll_s=0.01)
    relay = Relay(
        sessions, OutboxMessage, bus, settings=settings, clock=clock, sleep=sleep, random=lambda: 0.5
    )
    await announce(sessions, counted("a", 1))
    task = asyncio.create_task(relay.run())
    async with asyncio.timeout(20):
        for n in (1, 2):
            assert await bus.confirmed.get() == ("a", n)
            await announce(sessions, counted("a", n + 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert slept == [0.25, 0.5, 1.0]


async def test_purge_deletes_published_rows_alone(
    sessions: Sessions, relay: Relay, bus: FakeBus, clock: Clock
) -> None:
    """After a week published rows go, at most so many at once; what waits stays, however old."""
    await announce(sessions, *three_orders())
    bus.refuses = {("a", 1)}
    await relay.drain()
    assert await relay.purge() == 0
    clock.pass_s(8 * 24 * 3600)

    assert [await relay.purge(limit=5), await relay.purge(limit=5), await relay.purge()] == [5, 3, 0]
    assert await statuses(sessions) == ["PENDING"] * 4


@pytest.mark.parametrize("moment", ["claimed", "published"])
async def test_killed_relay_leaves_one_effect_per_event(
    sessions: Sessions, database_url: str, tmp_path: Path, moment: str
) -> None:
    """SIGKILL before or after the broker's confirmation: through bus and inbox each event has one effect."""
    await announce(sessions, *three_orders())
    path = tmp_path / "bus.db"
    await killed("dying_relay.py", database_url, str(path), moment, says=moment)

    async def effect(uow: UnitOfWork, _event: Event, _payload: Any) -> None:
        await sell(uow)

    async with EmbeddedBus(path) as bus:
        later = Clock()
        later.now = (await rows(sessions))[0].occurred_at + timedelta(minutes=5)
        await relay_of(sessions, bus, later).drain()
        assert len(await bus.log.bodies("order")) == (24 if moment == "published" else 12)
        consumer = Consumer(
            name="stock",
            sessions=sessions,
            inbox=InboxMessage,
            outbox=OutboxMessage,
            types=TYPES,
            effect=effect,
        )
        await bus.subscribe("order", "stock", consumer).drain()

    assert set(await statuses(sessions)) == {"PUBLISHED"}
    assert (await number_of(sessions, Sale), await number_of(sessions, InboxMessage)) == (1 + 12, 12)


@pytest.mark.parametrize("nonsense", [{"batch": 0}, {"attempts": 0}, {"lease_s": 0}, {"poll_s": -1}], ids=str)
def test_impossible_settings_are_refused(nonsense: dict[str, Any]) -> None:
    """A relay that could not publish anything is not made."""
    with pytest.raises(ValueError, match="give numbers"):
        RelaySettings(**nonsense)
