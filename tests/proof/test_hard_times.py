"""The whole application when its surroundings fail: nothing is lost, and whoever is told of it is told clearly."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import event

from lab_support.database import build_engine, utc_now
from lab_support.messaging import BrokerUnavailableError, Message, RelaySettings
from lab_support.pools import Timeouts
from lab_support.services import create_app, running_app
from lab_support.services.orders.entities import OutboxMessage
from lab_support.services.participant import Around
from lab_support.settings import Settings

LIMIT_S = 60.0
QUICK = Around(relay=RelaySettings(poll_s=0.05, backoff_s=0.02, longest_wait_s=0.1))
MUG = [{"sku": "MUG-2", "quantity": 1}]
EVERYTHING = [{"sku": sku, "quantity": 1} for sku in ("MUG-2", "LAMP-7", "CHAIR-4", "DESK-1", "CABLE-9")]
DESK = [{"sku": "DESK-1", "quantity": 1}]


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a lock after a fifth of a second instead of five seconds."""

    def impatient(url: Any, **more: Any) -> Any:
        return build_engine(url, **{**more, "timeouts": Timeouts(lock_s=0.2)})

    monkeypatch.setattr("lab_support.services.relational.build_engine", impatient)
    monkeypatch.setattr("lab_support.messaging.embedded_log.build_engine", impatient)


@asynccontextmanager
async def shop(folder: Path, **settings: Any) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    app = create_app(Settings(data=folder, **settings), around=QUICK)
    async with running_app(app=app) as client:
        yield app, client


async def order(client: httpx.AsyncClient, items: Sequence[Any] = MUG, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"customer_id": "ada", "pay_by": "credit", "items": list(items), **more}
    return await client.post("/orders", json=body, headers=headers)


async def end_of(client: httpx.AsyncClient, taken: httpx.Response) -> str:
    """Wait until an order has ended, and return how."""
    assert taken.status_code == 202, taken.text
    status = "PENDING"
    async with asyncio.timeout(LIMIT_S):
        while status.startswith("PENDING"):
            status = str((await client.get(taken.headers["Location"])).json()["status"])
    return status


@contextmanager
def complaint() -> Iterator[asyncio.Event]:
    """Give an event that is set when somebody logs that a turn has failed."""
    failed, loop = asyncio.Event(), asyncio.get_running_loop()
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda _record: loop.call_soon_threadsafe(failed.set)  # type: ignore[method-assign]
    logger = logging.getLogger("lab_support")
    logger.addHandler(handler)
    try:
        yield failed
    finally:
        logger.removeHandler(handler)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Have another program write to a file, and not come to an end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def count(file: Path, query: str) -> Any:
    with closing(sqlite3.connect(file)) as reader:
        return reader.execute(query).fetchone()[0]


@pytest.mark.parametrize("coordination", ["choreography", "orchestration"])
async def test_order_posted_twenty_times_at_once_is_one_order(tmp_path: Path, coordination: str) -> None:
    async with shop(tmp_path, coordination=coordination) as (_, client):
        key = str(uuid4())
        taken = await asyncio.gather(*(order(client, DESK, key=key) for _ in range(20)))
        status = await end_of(client, taken[0])
        left = (await client.get("/customers/ada")).json()["credit"]

    assert ({one.status_code for one in taken}, len({one.text for one in taken})) == ({202}, 1)
    assert (status, left) == ("APPROVED", "651.00")


async def test_twenty_orders_at_once_get_as_much_as_there_is(tmp_path: Path) -> None:
    async with shop(tmp_path) as (_, client):
        taken = await asyncio.gather(*(order(client, DESK) for _ in range(20)))
        ends = Counter([await end_of(client, one) for one in taken])
        left = (await client.get("/customers/ada")).json()["credit"]

    assert ends == {"APPROVED": 2, "FAILED_NO_CREDIT": 18}
    assert left == "302.00"


async def test_locked_orders_database_is_told_and_loses_nothing(tmp_path: Path, short_waits: None) -> None:
    async with shop(tmp_path) as (_, client):
        with locked(tmp_path / "orders.db"):
            refused = await order(client, key="one")
        status = await end_of(client, await order(client, key="one"))

    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert status == "APPROVED"
    assert count(tmp_path / "orders.db", "SELECT count(*) FROM orders") == 1


@pytest.mark.parametrize("file", ["customers.db", "inventory.db", "bus.db"])
async def test_file_locked_longer_than_anybody_waits_delays_the_order(
    tmp_path: Path, short_waits: None, file: str
) -> None:
    async with shop(tmp_path) as (_, client):
        with locked(tmp_path / file), complaint() as failed:
            taken = await order(client)
            await asyncio.wait_for(failed.wait(), LIMIT_S)
            waiting = (await client.get(taken.headers["Location"])).json()["status"]
        status = await end_of(client, taken)

    assert (waiting, status) == ("PENDING", "APPROVED")


async def test_broker_that_goes_away_gets_everything_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop(tmp_path) as (app, client):
        bus, publish, refused = app.state.bus, app.state.bus.publish, asyncio.Event()

        async def away(_batch: Sequence[Message]) -> None:
            refused.set()
            raise BrokerUnavailableError("The broker is away.")

        monkeypatch.setattr(bus, "publish", away)
        taken = [await order(client) for _ in range(3)]
        await refused.wait()
        monkeypatch.setattr(bus, "publish", publish)
        ends = [await end_of(client, one) for one in taken]

    assert ends == ["APPROVED"] * 3


async def test_full_disk_is_told_and_leaves_no_half_order(tmp_path: Path) -> None:
    async with shop(tmp_path, relay=False) as (app, client):
        engine = app.state.services["orders"].state.engine
        with full(engine) as make_room:
            answers = []
            while not answers or answers[-1].status_code == 202:
                answers.append(await order(client, EVERYTHING))
            make_room()
            again = await order(client)

    kept = count(tmp_path / "orders.db", "SELECT count(*) FROM orders")
    told = count(tmp_path / "orders.db", "SELECT count(*) FROM outbox WHERE type = 'OrderCreated'")
    assert (answers[-1].status_code, answers[-1].json()["title"]) == (503, "Database full")
    assert again.status_code == 202
    assert kept == told == len(answers)


async def test_ten_thousand_rows_in_the_outbox_go_out_before_a_new_order(tmp_path: Path) -> None:
    async with shop(tmp_path, relay=False):
        pass
    fill_outbox(tmp_path / "orders.db", 10_000)

    async with shop(tmp_path) as (app, client):
        status = await end_of(client, await order(client))
        bodies = await app.state.bus.log.bodies("backlog")

    assert (status, len(bodies)) == ("APPROVED", 10_000)
    assert count(tmp_path / "orders.db", "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=["back", "ahead"])
async def test_clock_that_jumps_lets_orders_end(tmp_path: Path, jump: timedelta) -> None:
    moved = timedelta()
    app = create_app(
        Settings(data=tmp_path), around=Around(clock=lambda: utc_now() + moved, relay=QUICK.relay)
    )
    async with running_app(app=app) as client:
        first = await order(client)
        moved = jump
        ends = [await end_of(client, one) for one in (first, await order(client))]

    assert set(ends) <= {"APPROVED", "FAILED_DEADLINE"}
    assert ends[1] == "APPROVED"


@contextmanager
def full(engine: Any) -> Iterator[Callable[[], None]]:
    """Let a SQLite file grow by hardly anything, on every connection of an engine, until there is room again."""
    limit: list[int | None] = [None]

    def before(connection: Any, *_: Any) -> None:
        cursor = connection.connection.cursor()
        if limit[0] is None:
            cursor.execute("PRAGMA page_count")
            limit[0] = cursor.fetchone()[0] + 2
        cursor.execute(f"PRAGMA max_page_count = {limit[0]}")
        cursor.close()

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    try:
        yield lambda: limit.__setitem__(0, 1_000_000)
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", before)


def fill_outbox(file: Path, rows: int) -> None:
    """Write events that nobody listens to."""
    columns = "id, aggregatetype, aggregateid, type, payload, topic, headers, occurred_at, attempts"
    now = utc_now().replace(tzinfo=None).isoformat(" ")
    with closing(sqlite3.connect(file)) as writer:
        writer.executemany(
            f"INSERT INTO {OutboxMessage.__tablename__} ({columns}) VALUES (?, 'x', ?, 'Nothing', '{{}}', "  # noqa: S608
            "'backlog', '{\"version\": 1}', ?, 0)",
            [(uuid4().hex, str(number), now) for number in range(rows)],
        )
        writer.commit()
