"""What the relay costs beside the same reads and marks by the bare driver, and how soon a commit is published."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from rich.console import Console
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase

from benchmarks.ratios import Ratio, compare, ratio
from lab_support.database import (
    NAMING_CONVENTION,
    TableBase,
    build_engine,
    create_tables,
    scratch_database,
    session_factory,
    utc_now,
)
from lab_support.messaging import Event, Message, OutboxMixin, Relay, unit_of_work

BATCH, EACH, PAIRS = 100, 3, 15
ROWS = BATCH * EACH * 2 * (PAIRS + 1)
Sessions = async_sessionmaker[AsyncSession]

FREE = "published_at IS NULL AND parked_at IS NULL AND (claimed_until IS NULL OR claimed_until <= {now})"
READ = (
    f"SELECT * FROM outbox WHERE {FREE} AND (aggregatetype, aggregateid) NOT IN ("  # noqa: S608
    "SELECT aggregatetype, aggregateid FROM outbox "
    "WHERE published_at IS NULL AND (parked_at IS NOT NULL OR claimed_until > {now})) "
    f"ORDER BY seq LIMIT {BATCH}"
)
CLAIM = f"UPDATE outbox SET claimed_until = {{until}}, last_error = NULL WHERE seq {{seqs}} AND {FREE}"  # noqa: S608
MARK = (
    "UPDATE outbox SET published_at = {now}, claimed_until = NULL, parked_at = NULL "
    "WHERE seq {seqs} AND published_at IS NULL"
)
PLACES = ", ".join("?" * BATCH)


class BenchBase(TableBase, DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class OutboxMessage(OutboxMixin, BenchBase):
    """An outbox of nobody."""


class Nowhere:
    """A bus that confirms at once, so that only the relay is measured."""

    def __init__(self) -> None:
        self.published = asyncio.Event()

    async def publish(self, _batch: Sequence[Message]) -> None:
        self.published.set()


def ratios() -> list[Ratio]:
    """Measure all of it; without PostgreSQL its relay is left out."""
    return asyncio.run(_ratios())


async def _ratios() -> list[Ratio]:
    found = [await relay_beside_sqlite3(), await woken_beside_by_hand()]
    try:
        return [*found, await relay_beside_asyncpg()]
    except Exception as error:
        Console(stderr=True).print(f"PostgreSQL can't be used here; its relay is not measured: {error}")
        return found


async def relay_beside_sqlite3() -> Ratio:
    """Publish batches with the relay and with the standard library, from the same table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        async with _full_outbox(f"sqlite:///{path}", ROWS) as sessions:
            relay = Relay(sessions, OutboxMessage, Nowhere())  # type: ignore[arg-type]
            with closing(sqlite3.connect(path, isolation_level=None)) as raw:

                async def by_hand() -> None:
                    _by_sqlite3(raw)

                return await compare(
                    f"relay : bare sqlite3, batches of {BATCH}",
                    relay.turn,
                    by_hand,
                    limit=4.0,
                    pairs=PAIRS,
                    each=EACH,
                )


async def relay_beside_asyncpg() -> Ratio:
    """Do the same on PostgreSQL, beside asyncpg with its prepared statements."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            scratch_database("postgresql", Path(folder)) as url,
            _full_outbox(url, ROWS) as sessions,
        ):
            relay = Relay(sessions, OutboxMessage, Nowhere())  # type: ignore[arg-type]
            raw = await asyncpg.connect(url.replace("+asyncpg", ""))
            await raw.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
            await raw.execute("ANALYZE outbox")
            try:
                return await compare(
                    f"relay : bare asyncpg, batches of {BATCH}",
                    relay.turn,
                    lambda: _by_asyncpg(raw),
                    limit=2.0,
                    pairs=PAIRS,
                    each=EACH,
                )
            finally:
                await raw.close()


def _by_sqlite3(raw: sqlite3.Connection) -> None:
    now = utc_now().replace(tzinfo=None).isoformat(" ")
    until = "9999-01-01 00:00:00.000000"
    raw.execute("BEGIN IMMEDIATE")
    rows = raw.execute(READ.format(now="?"), (now, now)).fetchall()
    seqs = [row[0] for row in rows]
    assert len([json.loads(row[5]) for row in rows]) == BATCH
    done = raw.execute(CLAIM.format(until="?", seqs=f"IN ({PLACES})", now="?"), (until, *seqs, now))
    assert done.rowcount == BATCH
    raw.execute("COMMIT")
    raw.execute("BEGIN IMMEDIATE")
    raw.execute(MARK.format(now="?", seqs=f"IN ({PLACES})"), (now, *seqs))
    raw.execute("COMMIT")


async def _by_asyncpg(raw: Any) -> None:
    now = utc_now()
    async with raw.transaction():
        rows = await raw.fetch(READ.format(now="$1"), now)
        seqs = [row["seq"] for row in rows]
        assert len(seqs) == BATCH
        claim = CLAIM.format(until="$1", seqs="= ANY($2)", now="$3")
        await raw.execute(claim, now.replace(year=9999), seqs, now)
    async with raw.transaction():
        await raw.execute(MARK.format(now="$1", seqs="= ANY($2)"), now, seqs)


async def woken_beside_by_hand(pairs: int = 40) -> Ratio:
    """Compare the time from a commit to its publication by a relay that runs with that of a whole turn by hand."""
    with tempfile.TemporaryDirectory() as folder:
        async with _full_outbox(f"sqlite:///{Path(folder) / 'bench.db'}", 0) as sessions:
            found = []
            for number in range(pairs + 1):
                by_hand = await _turn_by_hand(sessions)
                woken = await _woken(sessions)
                if number:
                    found.append(woken / by_hand)
            return ratio("commit to publication, woken : a turn by hand", found, 2.0)


async def _turn_by_hand(sessions: Sessions) -> float:
    relay = Relay(sessions, OutboxMessage, Nowhere())  # type: ignore[arg-type]
    async with unit_of_work(sessions, OutboxMessage) as uow:
        uow.announce(_event())
        await uow.commit()
    began = time.perf_counter()
    turn = await relay.turn()
    assert len(turn.published) == 1
    return time.perf_counter() - began


async def _woken(sessions: Sessions) -> float:
    bus = Nowhere()
    relay = Relay(sessions, OutboxMessage, bus)  # type: ignore[arg-type]
    running = asyncio.create_task(relay.run())
    try:
        await asyncio.sleep(0.05)  # it has found nothing, and waits
        async with unit_of_work(sessions, OutboxMessage, wake=relay.wake) as uow:
            uow.announce(_event())
            await uow.commit()
        began = time.perf_counter()
        await bus.published.wait()
        taken = time.perf_counter() - began
        await asyncio.sleep(0.05)  # it has marked the row
        return taken
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _full_outbox(url: str, rows: int) -> AsyncIterator[Sessions]:
    engine = build_engine(url)
    try:
        await create_tables(engine, BenchBase.metadata)
        sessions = session_factory(engine)
        for _ in range(0, rows, BATCH):
            async with unit_of_work(sessions, OutboxMessage) as uow:
                for _ in range(BATCH):
                    uow.announce(_event())
                await uow.commit()
        yield sessions
    finally:
        await engine.dispose()


def _event() -> Event:
    payload = {"order_id": str(uuid4()), "customer_id": "ada", "total": "24.90"}
    return Event(
        type="OrderCreated", aggregate_type="order", aggregate_id=payload["order_id"], payload=payload
    )
