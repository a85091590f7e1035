"""An order that something happens to, after each of its statements, at its commit, just after it: all or nothing."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import InjectedError, fault, session_factory, trace_sql
from lab_support.database.faults import How
from lab_support.services.store.dtos import OrderDetail
from lab_support.services.store.ordering import OrderService
from tests.services.selling import (
    LIMIT_S,
    Books,
    assert_balanced,
    assert_no_connection_is_out,
    open_shop,
    read_books,
    said,
    start_buying,
)

LINES = ((2, 1), (1, 2))
STATEMENTS = 10
"""For two lines and a key; counted in the first test, so that no place is left out in the others."""

PLACES: list[dict[str, Any]] = [
    *({"after_statement": k} for k in range(1, STATEMENTS + 1)),
    {"at_commit": True},
    {"after_commit": True},
]


@pytest.fixture
async def books(engine: AsyncEngine) -> Books:
    await open_shop(engine, stock=[50, 50], prices=["0.10", "24.90"], balances=["1000.30"])
    return await read_books(engine)


async def order(engine: AsyncEngine, key: str | None = "a-key") -> OrderDetail:
    async with asyncio.timeout(LIMIT_S):
        return await OrderService(session_factory(engine)).place_order(1, LINES, idempotency_key=key)


@pytest.mark.parametrize("lines", [1, 2, 100])
async def test_order_costs_one_statement_a_line_and_six(engine: AsyncEngine, lines: int) -> None:
    """Each line costs its one UPDATE of the stock; the rest of an order costs the same however long it is."""
    await open_shop(engine, stock=[9] * lines, prices=["1.00"] * lines)
    wanted = [(n, 1) for n in range(1, lines + 1)]
    service = OrderService(session_factory(engine))

    with trace_sql(engine) as plain:
        await service.place_order(1, wanted)
    with trace_sql(engine) as keyed:
        await service.place_order(1, wanted, idempotency_key="k")

    assert len(plain.statements) == lines + 6
    assert len(keyed.statements) == lines + 8
    assert [event.kind for event in plain.events].count("COMMIT") == 1
    assert STATEMENTS == 2 + 8


@pytest.mark.parametrize("how", ["error", "cancel", "die"])
async def test_order_is_all_or_nothing_wherever_a_fault_strikes(
    engine: AsyncEngine, books: Books, how: How
) -> None:
    """Before the commit nothing is kept, after it everything; no connection leaks; the same key mends it."""
    before = books
    for number, place in enumerate(PLACES):
        after = "after_commit" in place
        key = f"order-{number}"
        with suppress(InjectedError), fault(engine, how=how, **place) as injected:
            await order(engine, key)
        assert (injected.reached, injected.surfaced) == (True, True), place
        await assert_no_connection_is_out(engine)
        left = await assert_balanced(engine, before)
        assert left.orders == before.orders + after, place
        assert after or left == before, place

        await order(engine, key)  # the caller, who heard nothing, asks again

        mended = await assert_balanced(engine, before)
        assert mended.orders == before.orders + 1, place
        assert mended.stock == (before.stock[0] - 2, before.stock[1] - 1), place
        await assert_no_connection_is_out(engine)
        before = mended


async def test_transient_error_at_the_commit_is_retried(engine: AsyncEngine, books: Books) -> None:
    """A deadlock that the database finds as late as at the commit costs a second attempt, and sells once."""
    busy = OperationalError("COMMIT", None, DeadlockFoundError())

    with fault(engine, at_commit=True, error=busy) as injected:
        placed = await order(engine)

    assert (injected.reached, injected.surfaced, injected.statements) == (True, False, 2 * STATEMENTS)
    assert placed.total == Decimal("25.10")
    assert (await assert_balanced(engine, books)).orders == 1
    await assert_no_connection_is_out(engine)


class DeadlockFoundError(Exception):
    """What a driver raises for a deadlock: this one says it in PostgreSQL's way."""

    sqlstate = "40P01"


@pytest.mark.parametrize("place", ["3", "10", "before commit", "after commit"])
async def test_killed_process_leaves_all_or_nothing(
    engine: AsyncEngine, books: Books, database_url: str, place: str
) -> None:
    """A process that is really killed in the middle of its order leaves no part and no lock; the next order goes on."""
    victim = await start_buying(database_url, "stop", place)
    try:
        await said(victim, "here")
    finally:
        victim.kill()
        await victim.wait()
    left = await assert_balanced(engine, books)
    assert left.orders == (place == "after commit")

    await order(engine, "the-key-of-the-killed-process")

    mended = await assert_balanced(engine, books)
    assert (mended.orders, mended.stock) == (1, (48, 49))
