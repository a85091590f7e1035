"""The instruments that judge 13.5.1 to 13.5.3: deaths at every moment, a recorded bus, first writes that meet."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace

import pytest
from sqlalchemy import func, insert, select, update

from lab_support.database import SimulatedDeath
from lab_support.exercises import Seen
from lab_support.exercises.s13_05.deaths import Life, life_on, writers
from lab_support.exercises.s13_05.meeting import first_writes_meet
from lab_support.exercises.s13_05.outbox_rows import draw, not_as_stored, on_bus, order_kept
from lab_support.exercises.s13_05.recorded_bus import RecordedBus
from lab_support.exercises.s13_05.shop import Article, InventoryBase, MessageRefused
from lab_support.messaging import BrokerUnavailableError, Event, Message

pytestmark = pytest.mark.anyio
SHELF = select(func.sum(Article.on_hand))
TAKE = update(Article).values(on_hand=Article.on_hand - 1)


@pytest.fixture
async def shelf(engine):
    async with engine.begin() as connection:
        await connection.run_sync(InventoryBase.metadata.create_all)
        await connection.execute(insert(Article), [{"sku": "a", "on_hand": 10}])
    return engine


async def take_one(engine):
    """Take a piece in one transaction: one statement and one commit."""
    async with writers(SimpleNamespace(engine=engine)).begin() as session:
        await session.execute(TAKE)


async def pieces(engine):
    async with engine.connect() as connection:
        return await connection.scalar(SHELF)


async def test_moments_are_statements_and_both_sides_of_a_commit(shelf):
    """One statement and one commit have three moments, on every engine."""
    with life_on(shelf) as life:
        await take_one(shelf)

    assert [one.split(" UPDATE")[0] for one in life.moments] == [
        "after statement",
        "before a commit",
        "after a commit",
    ]


@pytest.mark.parametrize(("ends_at", "left"), [(1, 10), (2, 10), (3, 9)])
async def test_death_keeps_what_was_committed_before_it(shelf, ends_at, left):
    """A death before the end of the commit keeps nothing, one after it keeps everything."""
    with life_on(shelf, ends_at) as life, pytest.raises(SimulatedDeath):
        await take_one(shelf)

    assert life.over
    assert await pieces(shelf) == left


async def test_dead_process_sends_nothing_more(shelf):
    """Neither a `finally` nor another session reaches the database after a death."""
    with life_on(shelf, 2):
        with pytest.raises(SimulatedDeath):
            await take_one(shelf)
        with pytest.raises(SimulatedDeath):
            await take_one(shelf)

    assert await pieces(shelf) == 10


async def test_database_is_free_after_a_death(shelf):
    """A dead process holds no lock: the next one writes at once."""
    for ends_at in (1, 2, 3):
        with life_on(shelf, ends_at), pytest.raises(SimulatedDeath):
            await take_one(shelf)

    await take_one(shelf)

    assert await pieces(shelf) == 8


def message(number):
    event = Event(type="OrderCreated", aggregate_type="Order", aggregate_id=str(number), payload={})
    return Message("orders", event)


async def test_bus_refuses_a_batch_as_a_whole():
    """One message that is refused keeps the others of its batch from being published."""
    batch = [message(1), message(2)]
    bus = RecordedBus(Life(), refuses=[str(batch[1].event.event_id)])

    with pytest.raises(MessageRefused):
        await bus.publish(batch)

    assert bus.log == []


async def test_bus_that_goes_away_keeps_what_got_through():
    """A broker that breaks in the middle of a batch has published its beginning."""
    bus = RecordedBus(Life(), room=1)

    with pytest.raises(BrokerUnavailableError):
        await bus.publish([message(1), message(2)])

    assert [one["aggregate_id"] for one in bus.log] == ["1"]


async def test_batches_sent_together_overtake_each_other():
    """Order is kept only by who waits for the confirmation."""
    bus = RecordedBus(Life())

    await asyncio.gather(*(bus.publish([message(number)]) for number in range(4)))

    assert [one["aggregate_id"] for one in bus.log] != ["0", "1", "2", "3"]


@pytest.mark.parametrize("backend", ["postgresql"])
async def test_first_writes_meet_after_everybody_has_read(shelf):
    """All have read the same number when the first of them writes it back."""

    async def read_and_write_back():
        async with shelf.begin() as connection:
            on_hand = await connection.scalar(SHELF)
            await connection.execute(update(Article).values(on_hand=on_hand - 1))

    with first_writes_meet(shelf, 3):
        await asyncio.gather(*(read_and_write_back() for _ in range(3)))

    assert await pieces(shelf) == 9


def drawn(letters):
    story = SimpleNamespace(random=random.Random(5), seen=Seen())
    story.saw = story.seen.update
    return draw(story, letters)


def test_repetitions_do_not_break_the_order():
    """Order is judged by where each event came first."""
    first, second = drawn("AA")
    log = [on_bus(row) for row in (first, second, first, second)]

    assert order_kept([first, second], log)
    assert not order_kept([first, second], log[1:3])


def test_same_id_of_another_kind_is_another_aggregate():
    """An order and a customer may share a number, and have no order between them."""
    order, customer = drawn("Aa")

    assert order["aggregateid"] == customer["aggregateid"]
    assert order_kept([order, customer], [on_bus(customer), on_bus(order)])


def test_message_that_lost_a_header_is_told():
    """What is on the bus is compared with the row, headers included."""
    (row,) = drawn("A")
    lost = {**on_bus(row), "saga_id": None}

    assert not_as_stored([row], [on_bus(row), lost]) == [lost]
