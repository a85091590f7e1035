"""The embedded bus: durable, in order when calm, replayable when not, acknowledged after the handler alone."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from killing import killed
from messaging_tables import PLACES, counted
from sqlalchemy import text

from lab_support.database import fault, trace_sql
from lab_support.messaging import (
    BrokerUnavailableError,
    DeliveryFaults,
    EmbeddedBus,
    Event,
    EventTooLargeError,
    Message,
)
from lab_support.messaging.embedded_statements import OPEN_DELIVERIES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


@pytest.fixture
async def bus(path: Path) -> AsyncIterator[EmbeddedBus]:
    async with EmbeddedBus(path, most_deliveries=3) as opened:
        yield opened


def messages(*numbers: int, topic: str = "order") -> list[Message]:
    return [Message(topic, counted("7", n)) for n in numbers]


class Collector:
    """A handler that keeps the numbers it got."""

    def __init__(self, *, raises_on: tuple[int, ...] = ()) -> None:
        self.got: list[int] = []
        self.raises_on = raises_on

    async def __call__(self, event: Event) -> None:
        number = int(str(event.payload["n"]))
        self.got.append(number)
        if number in self.raises_on:
            raise LookupError(f"no product {number}")


async def test_each_group_gets_everything_in_order(bus: EmbeddedBus) -> None:
    """Two groups read the same log at their own pace; another topic is none of their business."""
    first, second = Collector(), Collector()
    early = bus.subscribe("order", "stock", first)
    await bus.publish(messages(1, 2) + messages(9, topic="product"))
    await early.drain()
    await bus.publish(messages(3))
    await bus.subscribe("order", "mail", second).drain()
    await early.drain()

    assert first.got == second.got == [1, 2, 3]


async def test_offset_survives_the_process(path: Path) -> None:
    """Opened again, the bus goes on after the last acknowledged message."""
    got = Collector()
    async with EmbeddedBus(path) as bus:
        await bus.publish(messages(1, 2, 3))
        await bus.subscribe("order", "stock", got).deliver_next()
    async with EmbeddedBus(path) as bus:
        await bus.subscribe("order", "stock", got).drain()

    assert got.got == [1, 2, 3]


async def test_cancelled_handler_is_not_acknowledged(path: Path) -> None:
    """Stopped in the middle of a handler, the bus delivers the message again."""
    inside, got = asyncio.Event(), Collector()

    async def hangs(_event: Event) -> None:
        inside.set()
        await asyncio.Event().wait()

    async with EmbeddedBus(path) as bus, asyncio.timeout(20):
        bus.subscribe("order", "stock", hangs)
        async with bus.running():
            await bus.publish(messages(1))
            await inside.wait()
    async with EmbeddedBus(path) as bus:
        await bus.subscribe("order", "stock", got).drain()
    assert got.got == [1]


async def test_failing_handler_gets_it_again_and_then_it_is_a_dead_letter(bus: EmbeddedBus) -> None:
    """The message is tried three times before any later one, kept with its reason, and the others go on."""
    got = Collector(raises_on=(2,))
    subscription = bus.subscribe("order", "stock", got)
    await bus.publish(messages(1, 2, 3))

    assert await subscription.drain() == ["acknowledged", "failed", "failed", "dead", "acknowledged"]
    assert got.got == [1, 2, 2, 2, 3]
    [letter] = await bus.dead_letters("order", "stock")
    assert ('"n":2' in letter.body, letter.reason) == (True, "LookupError: no product 2")
    assert await bus.dead_letters("order", "mail") == []
    assert await bus.dead_letters() == [letter]


async def test_retried_dead_letters_come_before_later_messages(bus: EmbeddedBus) -> None:
    """They get all their attempts again: the one that fails is a dead letter once more, the other is not."""
    got = Collector(raises_on=(1, 2))
    subscription = bus.subscribe("order", "stock", got)
    await bus.publish(messages(1, 2))
    await subscription.drain()
    await bus.publish(messages(3))
    got.raises_on, got.got = (2,), []

    assert await bus.retry_dead_letters("order", "stock") == 2
    assert await bus.dead_letters() == []
    assert [await subscription.drain() for _ in range(2)] == [
        ["acknowledged", "failed", "failed", "dead", "acknowledged"],
        [],
    ]
    assert got.got == [1, 2, 2, 2, 3]
    assert ['"n":2' in one.body for one in await bus.dead_letters()] == [True]


async def test_message_buried_out_of_order_is_retried_once(path: Path) -> None:
    """While earlier messages are still held back, its second life neither repeats it nor loses it."""
    got = Collector(raises_on=(2,))
    faults = DeliveryFaults(seed=3, duplicates=0, delays=1, longest_delay=5)
    async with EmbeddedBus(path, faults=faults, most_deliveries=1) as bus:
        await bus.publish(messages(*range(1, 8)))
        subscription = bus.subscribe("order", "stock", got)
        while not await bus.dead_letters():
            await subscription.deliver_next()
        got.raises_on = ()
        assert await bus.retry_dead_letters("order", "stock") == 1
        await subscription.drain()
        assert await subscription.drain() == []

    assert Counter(got.got) == {n: 2 if n == 2 else 1 for n in range(1, 8)}


async def test_batch_is_acknowledged_in_one_transaction(bus: EmbeddedBus) -> None:
    """A hundred messages cost one read and one acknowledgement of one statement."""
    got = Collector()
    subscription = bus.subscribe("order", "stock", got)
    await bus.publish(messages(0))
    await subscription.drain()
    await bus.publish(messages(*range(1, 101)))
    with trace_sql(bus.log._engine) as trace:
        outcomes = await subscription.deliver(limit=100)

    assert outcomes == ["acknowledged"] * 100
    assert len(trace.statements) == 2


async def test_failure_keeps_what_was_handled_before_it(path: Path) -> None:
    """The batch ends there: what came before is acknowledged, what comes after was not touched."""
    got = Collector(raises_on=(3,))
    async with EmbeddedBus(path) as bus:
        await bus.publish(messages(1, 2, 3, 4))
        assert (await bus.subscribe("order", "stock", got).deliver(limit=100))[-1] == "failed"
    got.raises_on = ()
    async with EmbeddedBus(path) as bus:
        await bus.subscribe("order", "stock", got).drain()

    assert got.got == [1, 2, 3, 3, 4]


async def test_stopped_batch_keeps_what_was_handled(path: Path) -> None:
    """Cancelled in the middle of the batch's second handler, only the second comes again."""
    inside, got = asyncio.Event(), Collector()

    async def hangs_on_two(event: Event) -> None:
        await got(event)
        if event.payload["n"] == 2:
            inside.set()
            await asyncio.Event().wait()

    async with EmbeddedBus(path) as bus, asyncio.timeout(20):
        await bus.publish(messages(1, 2, 3))
        bus.subscribe("order", "stock", hangs_on_two)
        async with bus.running():
            await inside.wait()
    async with EmbeddedBus(path) as bus:
        await bus.subscribe("order", "stock", got).drain()

    assert got.got == [1, 2, 2, 3]


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_batches_change_nothing_in_the_order_of_faults(tmp_path: Path, size: int) -> None:
    """Read one by one or a hundred at once: the seed gives the same deliveries."""
    one_by_one, batched = Collector(), Collector()
    faults = DeliveryFaults(seed=5, duplicates=0.4, delays=0.5)
    async with EmbeddedBus(tmp_path / "bus.db", faults=faults) as bus:
        await bus.publish(messages(*range(1, 61)))
        slow = bus.subscribe("order", "stock", one_by_one)
        while await slow.deliver_next() != "nothing":
            pass
    async with EmbeddedBus(tmp_path / "other.db", faults=faults, batch=size) as bus:
        await bus.publish(messages(*range(1, 61)))
        await bus.subscribe("order", "stock", batched).drain()

    assert one_by_one.got == batched.got


async def test_malformed_message_is_a_dead_letter(bus: EmbeddedBus, path: Path) -> None:
    """What somebody else wrote into the log stops nobody."""
    got = Collector()
    await bus.publish(messages(1))
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO log VALUES ('order', 2, 'no event')")
    raw.close()
    await bus.publish(messages(3))

    assert await bus.subscribe("order", "stock", got).drain() == ["acknowledged", "dead", "acknowledged"]
    assert got.got == [1, 3]
    assert "cannot be read" in (await bus.dead_letters("order", "stock"))[0].reason


async def test_running_bus_delivers_what_is_published(bus: EmbeddedBus) -> None:
    """Subscribers are woken by a publication in their process; a failure is retried after a pause."""
    arrived: asyncio.Queue[int] = asyncio.Queue()
    failed = False

    async def fails_once(event: Event) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise LookupError
        arrived.put_nowait(int(str(event.payload["n"])))

    bus.poll_s = 3600
    bus.subscribe("order", "stock", fails_once)
    async with bus.running(), asyncio.timeout(20):
        await bus.publish(messages(1))
        assert await arrived.get() == 1
        await bus.publish(messages(2))
        assert await arrived.get() == 2


async def test_running_bus_is_woken_by_another_process(path: Path) -> None:
    """Another object on the same file, as in another process: with an hour between two polls its commit is seen."""
    arrived: asyncio.Queue[Event] = asyncio.Queue()
    sent = messages(1, 2)

    async with EmbeddedBus(path, poll_s=3600) as reader, EmbeddedBus(path) as writer, asyncio.timeout(20):
        reader.subscribe("order", "stock", arrived.put)
        async with reader.running():
            for one in sent:
                await writer.publish([one])
                assert await arrived.get() == one.event


async def test_one_reader_at_a_time_reads_for_a_group(path: Path) -> None:
    """The second waits until the first has gone, and goes on where it stopped."""
    first, second = Collector(), Collector()
    async with EmbeddedBus(path) as one, EmbeddedBus(path) as two:
        await one.publish(messages(1, 2))
        holder, waiter = one.subscribe("order", "stock", first), two.subscribe("order", "stock", second)
        assert await holder.deliver_next() == "acknowledged"
        assert await waiter.drain() == []
        holder.release()
        assert await waiter.drain() == ["acknowledged"]

    assert (first.got, second.got) == ([1], [2])


@pytest.mark.parametrize("moment", ["in the handler", "before the acknowledgement"])
async def test_killed_reader_loses_nothing(path: Path, moment: str) -> None:
    """SIGKILL before the acknowledgement: the message comes again, in another process, at once."""
    got = Collector()
    async with EmbeddedBus(path) as bus:
        await bus.publish(messages(1, 2))
        await killed("dying_reader.py", str(path), moment, says=moment)
        await bus.subscribe("order", "stock", got).drain()

    assert got.got == [1, 2]


async def test_reader_killed_before_its_batch_was_acknowledged_repeats_it(path: Path) -> None:
    """SIGKILL after a hundred handled messages: all of them come again, which is what an inbox is for."""
    got = Collector()
    async with EmbeddedBus(path) as bus:
        await bus.publish(messages(*range(1, 101)))
        await killed(
            "dying_reader.py", str(path), "before the acknowledgement", says="before the acknowledgement"
        )
        await bus.subscribe("order", "stock", got).drain()

    assert got.got == list(range(1, 101))


async def deliveries(path: Path, seed: int, **options: Any) -> list[int]:
    got = Collector()
    async with EmbeddedBus(path, faults=DeliveryFaults(seed=seed, **options)) as bus:
        await bus.publish(messages(*range(1, 31)))
        await bus.subscribe("order", "stock", got).drain()
        await bus.subscribe("order", "stock2", Collector()).deliver_next()
    return got.got


@pytest.mark.parametrize("seed", [1, 2])
async def test_seed_replays_the_same_faults(tmp_path: Path, seed: int) -> None:
    """All arrive, some more than once and out of order, and the same seed gives the same deliveries again."""
    first = await deliveries(tmp_path / "one.db", seed)
    again = await deliveries(tmp_path / "two.db", seed)
    other = await deliveries(tmp_path / "three.db", seed + 1000)

    assert first == again != other
    assert set(first) == set(range(1, 31))
    assert 1 < max(Counter(first).values()) <= 3
    assert list(dict.fromkeys(first)) != sorted(set(first))


async def test_faults_keep_their_limits(tmp_path: Path) -> None:
    """Certain duplication delivers each three times; a delay is never longer than what was ordered."""
    always = await deliveries(tmp_path / "one.db", 1, duplicates=1, delays=0)
    assert set(Counter(always).values()) == {3}

    delayed = await deliveries(tmp_path / "two.db", 1, duplicates=0, delays=1, longest_delay=4)
    assert sorted(delayed) == list(range(1, 31))
    assert max(abs(place - number) for place, number in enumerate(delayed, start=1)) <= 4


@pytest.mark.parametrize(
    "nonsense", [{"duplicates": 2}, {"delays": -1}, {"most_copies": 0}, {"longest_delay": 0}], ids=str
)
def test_impossible_faults_are_refused(nonsense: dict[str, Any]) -> None:
    """A chance is from 0 to 1, a count from 1."""
    with pytest.raises(ValueError, match="give numbers"):
        DeliveryFaults(seed=1, **nonsense)


async def test_batch_is_published_as_a_whole_or_not_at_all(bus: EmbeddedBus) -> None:
    """One message too long, and none of the batch is in the log."""
    bulk = Event(type="Bulk", aggregate_type="order", aggregate_id="7", payload={"text": "x" * 300_000})
    with pytest.raises(EventTooLargeError):
        await bus.publish([*messages(1), Message("order", bulk)])
    await bus.publish([])

    assert await bus.log.bodies("order") == []


async def test_broken_file_is_an_unavailable_broker(tmp_path: Path) -> None:
    """A bus that cannot write says so in one sentence, and the relay may try again."""
    path = tmp_path / "bus.db"
    async with EmbeddedBus(path) as bus:
        with sqlite3.connect(path) as raw:
            raw.execute("DROP TABLE log")
        raw.close()
        with pytest.raises(BrokerUnavailableError, match=r"no confirmation for 2 message"):
            await bus.publish(messages(1, 2))


async def test_death_at_every_statement_of_the_bus_loses_nothing(path: Path) -> None:
    """Wherever a publication or an acknowledgement dies, a repeated batch and a new reader get everything."""
    for tried, place in enumerate(PLACES, start=1):
        topic, got = f"order{tried}", Collector()
        async with EmbeddedBus(path) as bus:
            subscription = bus.subscribe(topic, "stock", got)
            with fault(bus.log._engine, how="die", **place) as injected:
                await bus.publish(messages(1, 2, topic=topic))
                await subscription.drain()
            if len(await bus.log.bodies(topic)) < 2:
                await bus.publish(messages(1, 2, topic=topic))
        async with EmbeddedBus(path) as bus:
            await bus.subscribe(topic, "stock", got).drain()
            assert await bus.subscribe(topic, "stock", got).deliver_next() == "nothing"

        assert list(dict.fromkeys(got.got)) == [1, 2]
        assert len(got.got) <= 4
        if not injected.reached:
            # two to publish, one to become known, one to read, one to acknowledge, and the look that ends
            assert place == {"after_statement": 7}
            return
    pytest.fail("The last place was still reached.")


async def test_purge_deletes_what_every_known_group_has_passed(bus: EmbeddedBus) -> None:
    """The slowest group and the newest messages hold it back, until the group is forgotten; no number comes twice."""
    fast, slow = bus.subscribe("order", "stock", Collector()), bus.subscribe("order", "mail", Collector())
    await bus.publish(messages(*range(1, 11)))
    assert await bus.purge(keep=0) == 0
    await fast.drain()
    await slow.deliver(limit=4)

    assert [await bus.purge(keep=8), await bus.purge(keep=0, limit=1), await bus.purge(keep=0)] == [2, 1, 1]
    await bus.forget("order", "mail")
    assert await bus.purge(keep=0) == 5
    await bus.publish(messages(11))
    assert await fast.drain() == ["acknowledged"]
    assert len(await bus.log.bodies("order")) == 2


async def test_delivery_costs_the_same_after_ten_thousand_messages(bus: EmbeddedBus) -> None:
    """The group's place is found by an index: no step of the plan passes over the log or the notes."""
    got = Collector()
    subscription = bus.subscribe("order", "stock", got)
    await bus.publish(messages(*range(10_000)))
    await subscription.drain()
    await bus.publish(messages(10_000))
    with trace_sql(bus.log._engine) as trace:
        assert await subscription.drain() == ["acknowledged"]
    assert len(trace.statements) == 3  # to read, to acknowledge, and the look that ends

    query = OPEN_DELIVERIES.params(topic="order", group="stock", limit=100).compile(
        dialect=bus.log._engine.dialect, compile_kwargs={"literal_binds": True}
    )
    async with bus.log._engine.connect() as connection:
        plan = [row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    steps = [step for step in plan if any(name in step for name in ("log", "deliveries", "retries"))]
    assert steps
    assert all("SEARCH" in step for step in steps), plan
