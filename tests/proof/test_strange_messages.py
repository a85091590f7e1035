"""What nobody should have published: garbage, giants, events of the future, and those of another shop's orders."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from lab_support.messaging import MAX_EVENT_BYTES, Event, decode, encode
from tests.proof.invariants import Books
from tests.proof.quiet import become_quiet
from tests.proof.simulated_bus import Misfortunes, SimulatedLog
from tests.proof.simulation import Stage, stage
from tests.proof.snapshot import snapshot
from tests.proof.test_hard_times import end_of, order, shop
from tests.proof.world import World

TOPICS = (
    "order",
    "customer",
    "payment",
    "stock",
    "customer.commands",
    "payment.commands",
    "stock.commands",
    "order.replies",
    "product",
)
GARBAGE = (
    "",
    "no JSON",
    "null",
    "[]",
    "{}",
    '{"type": "OrderCreated"}',
    '{"type": 7, "aggregate_type": "order", "aggregate_id": "1", "payload": []}',
    "[" * 100_000,
    json.dumps({"type": "OrderCreated", "padding": "x" * MAX_EVENT_BYTES}),
)
IN_NO_TROUBLE = Misfortunes(duplicate=0, reorder=0, unconfirmed=0, away=0)


async def test_garbage_on_every_topic_becomes_dead_letters_and_stops_nobody(tmp_path: Path) -> None:
    async with shop(tmp_path) as (app, client):
        await end_of(client, await order(client))
        await asyncio.to_thread(_append, tmp_path / "bus.db", GARBAGE)
        status = await end_of(client, await order(client))
        groups = {(one.topic, one.group) for one in app.state.bus._subscriptions}
        async with asyncio.timeout(60):
            while len(dead := await app.state.bus.dead_letters()) < len(groups) * len(GARBAGE):
                await client.get("/orders/reviews")

    assert status == "APPROVED"
    assert {(one.topic, one.group) for one in dead} == groups
    assert all(len(one.reason) < 2000 for one in dead)


def _append(bus: Path, bodies: tuple[str, ...]) -> None:
    """Write into the log of every topic, past the bus."""
    with closing(sqlite3.connect(bus, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        for topic in TOPICS:
            (end,) = raw.execute(
                "SELECT coalesce(max(position), 0) FROM log WHERE topic = ?", (topic,)
            ).fetchone()
            raw.executemany(
                "INSERT INTO log (topic, position, body) VALUES (?, ?, ?)",
                [(topic, end + number, body) for number, body in enumerate(bodies, 1)],
            )
        raw.execute("COMMIT")


@pytest.fixture
def played() -> Iterator[Stage]:
    with stage() as given:
        yield given


async def _events_of_another_shop(played: Stage) -> list[Event]:
    """Everything that was published in some lives of another shop, whose orders nobody here knows."""
    bodies: list[bytes] = []
    for seed in (1, 2, 3):
        life = await played.play(seed)
        bodies += [body for of_topic in life.log.published.values() for body in of_topic]
    return list({one.event_id: one for one in map(decode, bodies)}.values())


async def _start(played: Stage) -> tuple[World, SimulatedLog, Books]:
    log = SimulatedLog(Random(7), IN_NO_TROUBLE)
    world = await played.fresh_world(log.random, log, provider_seed=None)
    await world.start()
    return world, log, await Books.of(world)


async def _order_both_ways(world: World) -> None:
    await world.place("choreography", "credit", "ada", {"MUG-2": 1})
    await world.place("orchestration", "card", "ada", {"MUG-2": 2})


async def test_events_of_unknown_orders_are_parked_by_orders_and_change_none(played: Stage) -> None:
    """Whatever they claim, and under whatever topic, the orders that exist end as they would have."""
    foreign = await _events_of_another_shop(played)
    world, log, books = await _start(played)
    await _order_both_ways(world)
    for event in foreign:
        for topic in TOPICS:
            log.append(topic, encode(event))
    assert await become_quiet(world) == []
    now = await snapshot(world)
    await world.stop()

    assert sorted(one.status for one in now.orders) == ["APPROVED", "CONFIRMED"]
    assert [*books._credit(now), *books._stock(now)] == []
    parked = {one.event_id for one in now.inboxes["orders"] if one.parked_at is not None}
    assert parked >= {one.event_id for one in foreign}
    assert all(one.last_error for one in now.inboxes["orders"] if one.parked_at is not None)


@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"type": "SomethingElse"}, {"payload": {"order_id": "7; DROP TABLE orders"}}],
    ids=["newer version", "unknown type", "wrong payload"],
)
async def test_events_that_cannot_be_understood_change_nothing(played: Stage, change: dict[str, Any]) -> None:
    foreign = await _events_of_another_shop(played)
    world, log, books = await _start(played)
    await _order_both_ways(world)
    strange = [one.model_copy(update={"event_id": uuid4(), **change}) for one in foreign]
    for event in strange:
        for topic in TOPICS:
            log.append(topic, encode(event))
    assert await become_quiet(world) == []
    now = await snapshot(world)
    parked = sum(one.parked_at is not None for rows in now.inboxes.values() for one in rows)
    found = await books.violations(world, parked=parked)
    await world.stop()

    assert found == []
    assert parked >= len(strange)
