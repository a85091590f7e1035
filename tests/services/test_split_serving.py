"""The split shop in several processes, and what is left when one of them is killed."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from lab_support.database import build_engine, create_tables, session_factory
from lab_support.messaging import EmbeddedBus, Event, decode, unit_of_work
from lab_support.services.orders.entities import OrdersBase, OutboxMessage
from lab_support.services.orders.events import EVENTS, OrderApproved
from tests.services.own_brokers import own_rabbit  # noqa: F401 - a fixture
from tests.services.split_processes import LAMP, ended, first_line, lab, serving, stop, until

ORDER_IDS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(7)]
OTHERS = ("--service", "customers", "--service", "payments", "--service", "inventory")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


def post(address: str, order: dict[str, Any] = LAMP) -> str:
    """Order something and return where the order is found."""
    answer = httpx.post(f"{address}/orders", json=order)
    assert answer.status_code == 202
    return str(answer.headers["Location"])


def approved(order: str) -> Event:
    payload = OrderApproved(order_id=UUID(order), customer_id="ada")
    return EVENTS.event(payload, aggregate_type="order", aggregate_id=order)


async def test_order_ends_although_the_process_was_killed_after_its_answer(tmp_path: Path) -> None:
    """SIGKILL right after the 202: the same command on the same data brings the order to its end."""
    with serving(tmp_path) as (process, address):
        location = post(address)
        process.kill()

    with serving(tmp_path) as (process, address):
        assert await ended(address, location) == "APPROVED"
        assert stop(process) == (0, "", "")

    with closing(sqlite3.connect(tmp_path / "inventory.db")) as file:
        assert file.execute("SELECT available FROM stock WHERE sku = 'LAMP-7'").fetchall() == [(38,)]


async def test_services_in_two_processes_end_an_order(tmp_path: Path) -> None:
    """Orders in one process, the others in a second, on one folder: each answers for its own paths alone."""
    with (
        serving(tmp_path, "--service", "orders") as (orders, address),
        serving(tmp_path, *OTHERS) as (others, elsewhere),
    ):
        assert await ended(address, post(address)) == "APPROVED"
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{elsewhere}/inventory/stock/LAMP-7")).json()["available"] == 38
            assert (await client.get(f"{address}/inventory/stock/LAMP-7")).status_code == 404
        assert stop(orders) == stop(others, signal.SIGTERM) == (0, "", "")


async def test_relays_in_processes_of_their_own_end_an_order(tmp_path: Path) -> None:
    """An application with --no-relay publishes nothing; the order goes on once `lab relay` runs for each service."""
    with serving(tmp_path, "--no-relay") as (_, address):
        location = post(address)
        with lab("relay", "--service", "orders", "--once", "--data", str(tmp_path)) as relay:
            said, _ = relay.communicate(timeout=60)
        assert said == "1 event(s) of orders published.\n"
        with (
            lab("relay", "--service", "customers", "--data", str(tmp_path)) as one,
            lab("relay", "--service", "inventory", "--data", str(tmp_path)) as two,
        ):
            assert await ended(address, location) == "APPROVED"
            assert first_line(one) == f"The outbox of customers goes to {tmp_path}/bus.db. Ctrl-C stops it.\n"
            first_line(two)
            assert stop(one) == stop(two, signal.SIGTERM) == (0, "", "")


async def test_two_relays_keep_the_order_of_each_aggregate(tmp_path: Path) -> None:
    """Two processes on one outbox, while events are still being written: each once, and in order per aggregate."""
    engine = build_engine(f"sqlite:///{tmp_path / 'orders.db'}")
    await create_tables(engine, OrdersBase.metadata)
    sessions = session_factory(engine)
    told: dict[str, list[str]] = defaultdict(list)

    async def tell() -> None:
        async with unit_of_work(sessions, OutboxMessage) as uow:
            for order in ORDER_IDS:
                uow.announce(event := approved(order))
                told[order].append(str(event.event_id))
            await uow.commit()

    async def published() -> bool:
        with closing(sqlite3.connect(tmp_path / "orders.db")) as file:
            waiting = file.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetchone()
        return bool(waiting == (0,))

    for _ in range(40):
        await tell()
    relay = ("relay", "--service", "orders", "--data", str(tmp_path))
    with lab(*relay) as one, lab(*relay) as two:
        first_line(one)
        first_line(two)
        for _ in range(40):
            await tell()
        await until(published)
        assert stop(one) == stop(two) == (0, "", "")
    await engine.dispose()

    heard: dict[str, list[str]] = defaultdict(list)
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        for body in await bus.log.bodies("order"):
            event = decode(body.encode())
            heard[event.aggregate_id].append(str(event.event_id))
    assert heard == told


@pytest.mark.parametrize("scheme", ["amqp", "nats"])
async def test_stopped_relay_frees_what_it_claimed(tmp_path: Path, scheme: str) -> None:
    """SIGTERM while a broker keeps silent: the relay ends, and another one need not wait for the lease."""
    called = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()
        writer.close()

    engine = build_engine(f"sqlite:///{tmp_path / 'orders.db'}")
    await create_tables(engine, OrdersBase.metadata)
    async with unit_of_work(session_factory(engine), OutboxMessage) as uow:
        uow.announce(approved(ORDER_IDS[0]))
        await uow.commit()
    await engine.dispose()
    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        url = f"{scheme}://me:sesame@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with lab("relay", "--service", "orders", "--data", str(tmp_path), LAB_BUS_URL=url) as relay:
            async with asyncio.timeout(60):
                await called.wait()
            status, said, _ = await asyncio.to_thread(stop, relay, signal.SIGTERM)

    assert status == 0
    assert "sesame" not in said
    with closing(sqlite3.connect(tmp_path / "orders.db")) as file:
        rows = file.execute("SELECT claimed_until, attempts, published_at FROM outbox").fetchall()
    assert rows == [(None, 0, None)]


@pytest.mark.rabbitmq
async def test_order_ends_over_rabbitmq_across_two_processes(
    own_rabbit: str,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """The same two processes, with folders of their own, talk through a broker."""
    bus = {"LAB_BUS_URL": own_rabbit, "LAB_BUS_NAMESPACE": os.environ["LAB_BUS_NAMESPACE"]}
    with (
        serving(tmp_path / "one", "--service", "orders", **bus) as (orders, address),
        serving(tmp_path / "two", *OTHERS, **bus) as (others, _),
    ):
        assert await ended(address, post(address)) == "APPROVED"
        assert [stop(orders)[0], stop(others)[0]] == [0, 0]
