"""The document relay: nothing lost at any crash, order kept per product by any number of relays, poison parked."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import lab_support
from lab_support.database import SimulatedDeath, utc_now
from lab_support.documents.indexes import ensure_indexes
from lab_support.documents.types import Collection
from lab_support.messaging import BrokerUnavailableError, EmbeddedBus, Event
from lab_support.services.catalog.announcing_repository import AnnouncingCatalogRepository
from lab_support.services.catalog.document_outbox import DIED
from lab_support.services.catalog.document_relay import DocumentRelay
from lab_support.services.catalog.entities import INDEXES
from tests.services.catalog.talking import (
    LEASE_S,
    Clock,
    Dying,
    FakeBus,
    add_products,
    in_order,
    relay_of,
    told,
)


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relay(stored: Collection, bus: FakeBus, clock: Clock) -> DocumentRelay:
    return relay_of(stored, bus, clock)


async def pending(stored: Collection) -> int:
    return sum([len(one["outbox"]["pending"]) async for one in stored.find({"outbox": {"$exists": True}})])


async def test_pending_events_are_published_in_order_and_taken_out(
    stored: Collection, relay: DocumentRelay, bus: FakeBus
) -> None:
    """Of all products in one batch; the products stay."""
    ids = await add_products(stored, 3, changes=2)

    turn = await relay.turn()

    assert sorted(bus.told) == sorted((str(id_), version) for id_ in ids for version in (1, 2, 3))
    assert in_order(bus.told)
    assert (len(turn.published), turn.complete, bus.batches) == (9, True, [9])
    assert await pending(stored) == 0
    assert await stored.count_documents({"outbox.claimed_by": {"$exists": True}}) == 0
    assert (await relay.turn()).claimed == []


async def test_turn_costs_four_messages_however_many_events(stored: Collection, clock: Clock) -> None:
    """Find, claim, read, take out; and one when there is nothing to do."""
    await add_products(stored, 5, changes=3)
    counting: Any = Dying(stored, 0, "never")
    relay = relay_of(counting, FakeBus(), clock)

    await relay.turn()
    busy = counting.sent
    await relay.turn()

    assert (busy, counting.sent - busy) == (4, 1)


async def test_document_of_a_discontinued_product_goes_with_its_last_event(
    stored: Collection, relay: DocumentRelay, bus: FakeBus
) -> None:
    """Not before; then its sku is free again."""
    (id_,) = await add_products(stored, 1)
    await AnnouncingCatalogRepository(stored).delete(id_)
    bus.away = True
    with suppress(BrokerUnavailableError):
        await relay.turn()
    assert await stored.count_documents({}) == 1

    bus.away = False
    await relay.drain()

    assert bus.got[-1].type == "ProductDiscontinued"
    assert await stored.count_documents({}) == 0
    await add_products(stored, 1)


async def test_event_that_comes_while_others_are_published_waits_for_the_next_turn(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    """Taking out takes out what was published, and nothing else."""
    (id_,) = await add_products(stored, 1)

    class Writing(FakeBus):
        async def publish(self, batch: Any) -> None:
            await super().publish(batch)
            if len(self.got) == 1:
                await AnnouncingCatalogRepository(stored).update(id_, {"name": "Meanwhile"})

    bus = Writing()
    await relay_of(stored, bus, clock).drain()

    assert bus.told == [(str(id_), 1), (str(id_), 2)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("message", [1, 2, 3, 4])
async def test_death_at_any_message_loses_nothing(
    stored: Collection, clock: Clock, bus: FakeBus, message: int, when: str
) -> None:
    """The next relay goes on when the claim has expired; what was published twice comes in order, too."""
    ids = await add_products(stored, 3, changes=1)
    await AnnouncingCatalogRepository(stored).delete(ids[0])
    dying: Any = Dying(stored, message, when)
    with pytest.raises(SimulatedDeath):
        await relay_of(dying, bus, clock).drain()

    clock.pass_s(LEASE_S + 1)
    await relay_of(stored, bus, clock).drain()

    last = {str(id_): 2 for id_ in ids} | {str(ids[0]): 3}
    assert set(bus.told) == {(id_, number + 1) for id_, most in last.items() for number in range(most)}
    assert in_order(bus.told)
    assert (await pending(stored), await stored.count_documents({})) == (0, 2)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_death_around_the_confirmation_loses_nothing(
    stored: Collection, clock: Clock, bus: FakeBus, when: str
) -> None:
    ids = await add_products(stored, 3, changes=1)
    bus.dies = when
    with pytest.raises(SimulatedDeath):
        await relay_of(stored, bus, clock).drain()

    clock.pass_s(LEASE_S + 1)
    await relay_of(stored, bus, clock).drain()

    assert set(bus.told) == {(str(id_), version) for id_ in ids for version in (1, 2)}
    assert in_order(bus.told)
    assert await pending(stored) == 0


async def test_claimed_document_is_left_alone_until_its_claim_expires(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    """A second relay would publish the later events before the earlier ones."""
    (id_,) = await add_products(stored, 1)
    other = await relay_of(stored, bus, clock).outbox.claim(
        limit=10, now=clock(), lease_s=LEASE_S, attempts=5
    )
    await AnnouncingCatalogRepository(stored).update(id_, {"name": "Later"})

    assert len(other.documents) == 1
    assert (await relay_of(stored, bus, clock).turn()).claimed == []
    clock.pass_s(LEASE_S + 1)
    await relay_of(stored, bus, clock).drain()
    assert bus.told == [(str(id_), 1), (str(id_), 2)]


async def test_relay_that_was_too_slow_takes_out_what_it_published_and_not_the_claim(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    await add_products(stored, 1)
    slow = relay_of(stored, bus, clock).outbox
    first = await slow.claim(limit=10, now=clock(), lease_s=LEASE_S, attempts=5)
    clock.pass_s(LEASE_S + 1)
    second = await slow.claim(limit=10, now=clock(), lease_s=LEASE_S, attempts=5)

    await slow.settle(first, {str(first.documents[0].pending[0]["event_id"])})

    document = await stored.find_one({})
    assert document is not None
    assert document["outbox"]["pending"] == []
    assert document["outbox"]["claimed_by"] == second.by


async def test_many_relays_at_once_keep_each_products_order(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    """While somebody goes on changing the products; each event comes once, since nobody dies."""
    ids = await add_products(stored, 6, changes=1)
    products = AnnouncingCatalogRepository(stored)

    async def change() -> None:
        for number in range(4):
            for id_ in ids:
                await products.update(id_, {"name": f"Again {number}"})

    async def work() -> None:
        relay = relay_of(stored, bus, clock, batch=2)
        while not changing.done() or await pending(stored):
            await relay.drain()

    changing = asyncio.create_task(change())
    async with asyncio.timeout(60):
        await asyncio.gather(changing, *(work() for _ in range(4)))

    assert sorted(bus.told) == sorted((str(id_), version) for id_ in ids for version in range(1, 7))
    assert in_order(bus.told)


async def test_broker_that_is_away_costs_no_attempt(
    stored: Collection, relay: DocumentRelay, bus: FakeBus
) -> None:
    """The document is free again at once, and the error says what to do."""
    await add_products(stored, 2)
    bus.away = True

    for _ in range(10):
        with pytest.raises(BrokerUnavailableError, match="see that the broker runs"):
            await relay.turn()
    bus.away = False
    turn = await relay.turn()

    assert len(turn.published) == 2


async def test_refused_event_is_tried_again_and_then_parked_with_what_follows_it(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    """Events before it and of other products go out; after a person's word it is published after all."""
    poisoned, other = await add_products(stored, 2, changes=2)
    bus.refuses = {(str(poisoned), 2)}
    relay = relay_of(stored, bus, clock, attempts=3)

    turns = await relay.drain()
    for _ in range(5):
        clock.pass_s(60)
        turns += await relay.drain()

    assert set(bus.told) == {(str(poisoned), 1), *((str(other), version) for version in (1, 2, 3))}
    assert sum(len(turn.failed) for turn in turns) == 3
    (parked,) = await relay.outbox.parked()
    assert (parked["_id"], parked["outbox"]["attempts"]) == (poisoned, 3)
    assert "ValueError: refused" in parked["outbox"]["last_error"]

    bus.refuses = set()
    event_id = UUID(parked["outbox"]["pending"][0]["event_id"])
    assert await relay.outbox.retry_parked([event_id]) == 1
    await relay.drain()
    assert [one for one in bus.told if one[0] == str(poisoned)] == [
        (str(poisoned), version) for version in (1, 2, 3)
    ]
    assert await relay.outbox.parked() == []


async def test_event_that_kills_each_relay_is_parked_alone(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    """What comes before it goes out, and so do all other products."""
    deadly, other = await add_products(stored, 2, changes=2)
    bus.kills = {(str(deadly), 2)}

    for _ in range(12):
        with suppress(SimulatedDeath):
            await relay_of(stored, bus, clock, attempts=3).drain()
        clock.pass_s(LEASE_S + 1)

    assert set(bus.told) == {(str(deadly), 1), *((str(other), version) for version in (1, 2, 3))}
    (parked,) = await relay_of(stored, bus, clock).outbox.parked()
    assert parked["_id"] == deadly
    assert parked["outbox"]["pending"][0]["payload"]["version"] == 2
    assert parked["outbox"]["last_error"] == DIED


@pytest.mark.parametrize(
    "damage", [{"payload": "x"}, {"type": ""}, {"event_id": "no uuid"}, {"version": -1}], ids=str
)
async def test_damaged_event_holds_up_its_own_product_alone(
    stored: Collection, clock: Clock, bus: FakeBus, damage: dict[str, Any]
) -> None:
    """Somebody has changed it by hand."""
    damaged, other = await add_products(stored, 2)
    name, value = next(iter(damage.items()))
    await stored.update_one({"_id": damaged}, {"$set": {f"outbox.pending.0.{name}": value}})

    await relay_of(stored, bus, clock, attempts=1).drain()

    assert bus.told == [(str(other), 1)]
    assert [one["_id"] for one in await relay_of(stored, bus, clock).outbox.parked()] == [damaged]


async def test_running_relay_publishes_when_it_is_woken(
    stored: Collection, clock: Clock, bus: FakeBus
) -> None:
    """Its slow poll would come in an hour."""
    (id_,) = await add_products(stored, 1)
    relay = relay_of(stored, bus, clock, poll_s=3600.0)
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(60):
        assert await bus.confirmed.get() == (str(id_), 1)
        await AnnouncingCatalogRepository(stored).update(id_, {"name": "Other"})
        relay.wake()
        assert await bus.confirmed.get() == (str(id_), 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_running_relay_survives_a_broker_that_comes_back(stored: Collection, clock: Clock) -> None:
    """It waits longer after each failure in a row, and is never told to start again."""
    bus, waits = FakeBus(), list[float]()
    bus.away = True

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        bus.away = len(waits) < 4
        await asyncio.sleep(0)

    await add_products(stored, 1)
    relay = DocumentRelay(stored, bus, clock=clock, sleep=sleep, random=lambda: 0.5)  # type: ignore[arg-type]
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(60):
        await bus.confirmed.get()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert waits == [0.25, 0.5, 1.0, 2.0]


async def test_index_holds_only_documents_with_something_to_tell(stored: Collection) -> None:
    """The search for them costs what they are, and not what the catalogue is."""
    await ensure_indexes(stored, INDEXES)

    index = (await stored.index_information())["outbox_pending"]

    assert index["partialFilterExpression"] == {"outbox.pending.event_id": {"$exists": True}}


@pytest.mark.parametrize("app", ["pymongo"], indirect=True)
@pytest.mark.parametrize("moment", ["claimed", "published"])
async def test_killed_relay_loses_nothing(
    stored: Collection, mongo_url: str, tmp_path: Path, moment: str
) -> None:
    """A real SIGKILL between claim, publication and mark; the events reach the embedded bus in order."""
    ids = await add_products(stored, 2, changes=1)
    await killed(mongo_url, stored.database.name, str(tmp_path / "bus.db"), moment)

    clock = Clock()
    clock.now = utc_now()
    got, all_there = list[tuple[str, int]](), asyncio.Event()

    async def hear(event: Event) -> None:
        got.append(told(event))
        if len(set(got)) == 4:
            all_there.set()

    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        relay = relay_of(stored, bus, clock)
        assert await relay.drain() == []  # the claim is still the dead one's
        clock.pass_s(LEASE_S + 1)
        await relay.drain()
        bus.subscribe("product", "reader", hear)
        async with asyncio.timeout(60), bus.running():
            await all_there.wait()

    assert in_order(got)
    assert set(got) == {(str(id_), version) for id_ in ids for version in (1, 2)}
    assert await pending(stored) == 0


async def killed(url: str, name: str, path: str, moment: str) -> None:
    """Run a relay in a process of its own, and kill it when it says that the moment has come."""
    here = {**os.environ, "PYTHONPATH": str(Path(lab_support.__file__).parents[1])}
    script = str(Path(__file__).with_name("dying_document_relay.py"))
    victim = await asyncio.create_subprocess_exec(
        sys.executable, script, url, name, path, moment, stdout=asyncio.subprocess.PIPE, env=here
    )
    try:
        async with asyncio.timeout(60):
            assert victim.stdout is not None
            assert (await victim.stdout.readline()).decode().strip() == moment
    finally:
        if victim.returncode is None:
            victim.kill()
        assert await victim.wait() == -signal.SIGKILL
