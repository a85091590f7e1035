"""What a saga costs, in statements that are counted: each message a few, however many orders are in the tables."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from benchmarks.full_tables import fill_tables
from benchmarks.shop import Shop, open_shop
from lab_support.database import Trace
from lab_support.services.vocabulary import Coordination

OLD_ORDERS = 2000


@asynccontextmanager
async def warm_shop(folder: Path, coordination: Coordination = "choreography") -> AsyncIterator[Shop]:
    """Open a shop whose groups are known on the bus and whose first order has ended."""
    async with open_shop(folder, coordination=coordination) as shop:
        await shop.order(0)
        await shop.settle()
        yield shop


async def trace_of_an_order(shop: Shop) -> dict[str, Trace]:
    """Record one order and all that it leads to, driven by hand, so that it is the same each time."""
    with shop.traced() as traces:
        await shop.order(1)
        await shop.settle()
    return traces


@pytest.mark.parametrize(
    ("coordination", "writes", "statements"),
    [
        (
            "choreography",
            {"orders": 14, "customers": 10, "payments": 0, "inventory": 7, "bus": 16},
            {"orders": 24, "customers": 16, "payments": 5, "inventory": 13},
        ),
        (
            "orchestration",
            {"orders": 20, "customers": 11, "payments": 0, "inventory": 7, "bus": 15},
            {"orders": 35, "customers": 18, "payments": 6, "inventory": 14},
        ),
    ],
    ids=["choreography", "orchestration"],
)
async def test_statements_of_a_saga_are_counted(
    tmp_path: Path, coordination: Coordination, writes: dict[str, int], statements: dict[str, int]
) -> None:
    """An order on credit costs these writes, and these statements, relays that look in vain included.

    For Orders, choreographed: order, line, 3 for the timeline, 2 inbox rows, 2 outbox rows, the end; and 4 by its
    relay, which claims and marks two batches.
    """
    async with warm_shop(tmp_path, coordination) as shop:
        traces = await trace_of_an_order(shop)

    assert {name: written(trace) for name, trace in traces.items()} == writes
    assert {name: len(traces[name].statements) for name in statements} == statements


def written(trace: Trace) -> int:
    return sum(not one.sql.startswith("SELECT") for one in trace.statements)


async def test_no_statement_passes_over_old_orders(tmp_path: Path) -> None:
    """Beside thousands of ended orders the same statements are sent, and each finds its rows by an index."""
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    async with warm_shop(tmp_path / "empty") as shop:
        alone = await trace_of_an_order(shop)
    async with warm_shop(tmp_path / "full") as shop:
        await fill_tables(shop, OLD_ORDERS)
        among_many = await trace_of_an_order(shop)

    scans = {
        (name, step)
        for name, trace in among_many.items()
        for step in scanned(tmp_path / "full" / f"{name}.db", trace)
    }
    assert {name: len(trace.statements) for name, trace in among_many.items()} == {
        name: len(trace.statements) for name, trace in alone.items()
    }
    assert scans == set()


def scanned(file: Path, trace: Trace) -> set[str]:
    """Name the tables that a statement of the trace passes over row by row, as SQLite itself plans it."""
    found = set()
    with closing(sqlite3.connect(file)) as raw:
        tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for one in trace.statements:
            if one.executemany:
                continue
            for *_, step in raw.execute(f"EXPLAIN QUERY PLAN {one.sql}", one.parameters or ()):
                words = step.split()
                if words[0] == "SCAN" and words[1] in tables:
                    found.add(step)
    return found
