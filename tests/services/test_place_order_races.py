"""Many orders at once: nothing is sold twice, nothing is lost, one key sells once, and everybody gets an answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from lab_support.database import (
    RetriesExhaustedError,
    build_engine,
    session_factory,
    trace_sql,
    unit_of_work,
    utc_now,
)
from lab_support.pools import PoolSettings, Timeouts
from lab_support.services.store import ordering
from lab_support.services.store.dtos import OrderDetail
from lab_support.services.store.entities import Product, User
from lab_support.services.store.errors import (
    IdempotencyKeyReusedError,
    InsufficientPaymentError,
    InvalidOrderError,
    ProductOutOfStockError,
)
from lab_support.services.store.idempotency import forget_keys
from lab_support.services.store.ordering import OrderService
from tests.services.selling import (
    LIMIT_S,
    assert_balanced,
    assert_no_connection_is_out,
    open_shop,
    read_books,
    said,
    start_buying,
)

SERVERS = [  # SQLite has one writer at a time
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture
def service(engine: AsyncEngine) -> OrderService:
    return OrderService(session_factory(engine))


async def outcomes(*orders: Awaitable[OrderDetail]) -> tuple[list[OrderDetail], Counter[type]]:
    """Place orders at once; give the answers, and how often each refusal was met."""
    async with asyncio.timeout(LIMIT_S):
        found = await asyncio.gather(*orders, return_exceptions=True)
    placed = [one for one in found if isinstance(one, OrderDetail)]
    return placed, Counter(type(one) for one in found if isinstance(one, BaseException))


async def test_twenty_buyers_of_five_pieces_get_five(engine: AsyncEngine, service: OrderService) -> None:
    """Twenty users want the last five pieces: five get one each and pay, fifteen are told, nobody pays for nothing."""
    await open_shop(engine, stock=[5], balances=["100.00"] * 20)
    before = await read_books(engine)

    placed, refused = await outcomes(*(service.place_order(user, [(1, 1)]) for user in range(1, 21)))

    after = await assert_balanced(engine, before)
    assert (len(placed), refused) == (5, {ProductOutOfStockError: 15})
    assert (after.stock, after.orders, after.paid) == ((0,), 5, Decimal("124.50"))
    assert sorted(after.balances).count(Decimal("75.10")) == 5
    await assert_no_connection_is_out(engine)


async def test_one_balance_is_spent_once(engine: AsyncEngine, service: OrderService) -> None:
    """Twenty orders at once by one user, whose money is enough for three: three are paid, to the cent."""
    await open_shop(engine, stock=[100], prices=["0.10"], balances=["0.30"])
    before = await read_books(engine)

    placed, refused = await outcomes(*(service.place_order(1, [(1, 1)]) for _ in range(20)))

    after = await assert_balanced(engine, before)
    assert (len(placed), refused) == (3, {InsufficientPaymentError: 17})
    assert (after.stock, after.balances) == ((97,), (Decimal("0.00"),))


async def test_two_processes_take_forty_pieces_exactly(engine: AsyncEngine, database_url: str) -> None:
    """Forty orders from two processes for a stock of thirty: thirty are placed, in whatever share."""
    await open_shop(engine, stock=[30])
    before = await read_books(engine)
    buyers = [await start_buying(database_url, "buy", "20") for _ in range(2)]
    try:
        for buyer in buyers:
            await said(buyer, "ready")
        async with asyncio.timeout(LIMIT_S):
            answers = await asyncio.gather(*(buyer.communicate(b"go\n") for buyer in buyers))
    finally:
        for buyer in buyers:
            if buyer.returncode is None:
                buyer.kill()
                await buyer.wait()

    after = await assert_balanced(engine, before)
    assert [buyer.returncode for buyer in buyers] == [0, 0]
    assert sum(int(out) for out, _ in answers) == 30
    assert (after.stock, after.orders) == ((0,), 30)


async def test_opposite_orders_do_not_block_each_other(engine: AsyncEngine, service: OrderService) -> None:
    """Orders that name the same products in opposite sequences take them in one sequence: all succeed."""
    await open_shop(engine, stock=[100] * 4, prices=["0.10"] * 4, balances=["9.00"] * 3)
    before = await read_books(engine)
    lines = [(1, 1), (2, 1), (3, 1), (4, 1)]
    orders = [service.place_order(n % 3 + 1, lines[:: 1 if n % 2 else -1]) for n in range(16)]

    placed, refused = await outcomes(*orders)

    assert (len(placed), refused) == (16, {})
    assert (await assert_balanced(engine, before)).stock == (84,) * 4
    assert {tuple(line.product_id for line in order.lines) for order in placed} == {
        (1, 2, 3, 4),
        (4, 3, 2, 1),
    }


async def test_one_key_posted_twenty_times_sells_once(engine: AsyncEngine, service: OrderService) -> None:
    """Twenty equal requests at once get one and the same answer, even when it took the last piece."""
    await open_shop(engine, stock=[1])
    before = await read_books(engine)

    placed, refused = await outcomes(
        *(service.place_order(1, [(1, 1)], idempotency_key="once") for _ in range(20))
    )

    assert refused == {}
    assert len(placed) == 20
    assert all(order == placed[0] for order in placed)
    after = await assert_balanced(engine, before)
    assert (after.orders, after.stock, after.keys) == (1, (0,), 1)
    await assert_no_connection_is_out(engine)


async def test_key_of_refused_orders_stays_free(engine: AsyncEngine, service: OrderService) -> None:
    """Twenty equal requests at once that can't be met are all refused, leave no key, and one later succeeds."""
    await open_shop(engine, stock=[0])

    _, refused = await outcomes(
        *(service.place_order(1, [(1, 1)], idempotency_key="later") for _ in range(20))
    )
    async with engine.begin() as connection:
        await connection.execute(update(Product).values(stock=1))
    placed = await service.place_order(1, [(1, 1)], idempotency_key="later")

    assert refused == {ProductOutOfStockError: 20}
    assert placed.total == Decimal("24.90")
    assert (await read_books(engine)).keys == 1


async def test_many_keys_with_other_orders_are_refused(engine: AsyncEngine, service: OrderService) -> None:
    """Of ten different orders under one key at once, one is placed; the others are told that the key is taken."""
    await open_shop(engine, stock=[100])
    before = await read_books(engine)

    placed, refused = await outcomes(
        *(service.place_order(1, [(1, n)], idempotency_key="k") for n in range(1, 11))
    )

    assert (len(placed), refused) == (1, {IdempotencyKeyReusedError: 9})
    assert (await assert_balanced(engine, before)).orders == 1


async def test_answer_under_a_key_outlives_changes(engine: AsyncEngine, service: OrderService) -> None:
    """Name and price changed since then don't change what the first request was answered; a new order sees them."""
    await open_shop(engine, stock=[9])
    first = await service.place_order(1, [(1, 1)], idempotency_key="k")
    async with engine.begin() as connection:
        await connection.execute(update(Product).values(name="Renamed", price=Decimal("30.00")))

    again = await service.place_order(1, [(1, 1)], idempotency_key="k")
    other = await service.place_order(1, [(1, 1)], idempotency_key="another")

    assert again == first
    assert (first.total, other.total) == (Decimal("24.90"), Decimal("30.00"))
    assert other.lines[0].product_name == "Renamed"


@pytest.mark.parametrize("backend", SERVERS)
async def test_price_of_the_moment_is_paid(
    engine: AsyncEngine, database_url: str, service: OrderService
) -> None:
    """A price that changes while the order is being placed is in the lines and in the payment, or in neither."""
    await open_shop(engine, stock=[9])
    before = await read_books(engine)
    other = build_engine(database_url)

    async def raise_the_price() -> None:
        async with other.begin() as connection:
            await connection.execute(update(Product).values(price=Decimal("25.00")))

    def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO idempotency_keys"):
            await_only(raise_the_price())

    event.listen(engine.sync_engine, "after_cursor_execute", after)
    try:
        placed = await service.place_order(1, [(1, 2)], idempotency_key="k")
    finally:
        event.remove(engine.sync_engine, "after_cursor_execute", after)
        await other.dispose()

    assert placed.total == Decimal("50.00")
    assert (await assert_balanced(engine, before)).paid == Decimal("50.00")


@pytest.mark.parametrize("backend", SERVERS)
async def test_deadlock_with_another_program_is_survived(
    engine: AsyncEngine, database_url: str, service: OrderService
) -> None:
    """Another program locks in the other sequence: a real deadlock; the order is placed once, whoever loses."""
    await open_shop(engine, stock=[9])
    before = await read_books(engine)
    rival = build_engine(database_url)
    try:
        async with asyncio.timeout(LIMIT_S), rival.connect() as connection:
            await connection.execute(update(User).values(user_name="renamed"))
            order = asyncio.create_task(service.place_order(1, [(1, 1)]))
            await stock_is_locked(engine)
            with suppress(DBAPIError):  # the victim, if it is not the order
                await connection.execute(update(Product).values(name="renamed"))
            await connection.rollback()
            placed = await order
    finally:
        await rival.dispose()

    assert placed.total == Decimal("24.90")
    assert (await assert_balanced(engine, before)).orders == 1
    await assert_no_connection_is_out(engine)


async def stock_is_locked(engine: AsyncEngine) -> None:
    """Wait until the order has taken its piece, by asking for the row without waiting for it."""
    ask = select(Product.id).with_for_update(nowait=True)
    while True:
        try:
            async with engine.begin() as connection:
                await connection.execute(ask)
        except DBAPIError:
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("backend", SERVERS[:1])
async def test_orders_are_exact_where_everything_is_serializable(database_url: str) -> None:
    """At SERIALIZABLE conflicts are errors: they are retried, whoever is still refused is told, and nothing is lost."""
    engine = build_engine(database_url, pool=PoolSettings(size=4, max_overflow=0)).execution_options(
        isolation_level="SERIALIZABLE"
    )
    await open_shop(engine, stock=[5], balances=["100.00"] * 12)
    before = await read_books(engine)
    service = OrderService(session_factory(engine))

    placed, refused = await outcomes(*(service.place_order(user, [(1, 1)]) for user in range(1, 13)))

    after = await assert_balanced(engine, before)
    assert refused.keys() <= {ProductOutOfStockError, RetriesExhaustedError}
    assert 1 <= len(placed) == after.orders <= 5
    await assert_no_connection_is_out(engine)
    await engine.dispose()


@pytest.fixture
async def impatient(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine that waits one second for a lock, where the usual one waits five."""
    built = build_engine(database_url, timeouts=Timeouts(lock_s=1))
    yield built
    await built.dispose()


async def test_lock_that_is_never_given_ends_the_order(
    engine: AsyncEngine, impatient: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited for a lock until its limit is told at once instead of waiting five times; nothing is kept."""
    monkeypatch.setattr(ordering, "PATIENCE_S", 0.5)
    await open_shop(engine)
    before = await read_books(engine)
    service = OrderService(session_factory(impatient))
    async with unit_of_work(session_factory(engine)) as uow:
        await uow.session.execute(update(Product).values(stock=Product.stock))

        with pytest.raises(RetriesExhaustedError) as told:
            async with asyncio.timeout(LIMIT_S):
                await service.place_order(1, [(1, 1)])

    assert told.value.attempts == 1
    assert await read_books(engine) == before
    await assert_no_connection_is_out(impatient)
    await service.place_order(1, [(1, 1)])


async def test_old_keys_are_forgotten(engine: AsyncEngine, service: OrderService) -> None:
    """Keys older than a moment are deleted, and then their requests would order again; younger ones stay."""
    await open_shop(engine, stock=[9])
    first = await service.place_order(1, [(1, 1)], idempotency_key="old")
    moment = utc_now()
    young = await service.place_order(1, [(1, 1)], idempotency_key="young")

    async with unit_of_work(session_factory(engine)) as uow:
        assert await forget_keys(uow.session, before=moment) == 1
        await uow.commit()

    assert (await service.place_order(1, [(1, 1)], idempotency_key="young")) == young
    assert (await service.place_order(1, [(1, 1)], idempotency_key="old")).order_id > first.order_id
    assert (await read_books(engine)).orders == 3


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ([], None),
        ([(1, 0)], None),
        ([(1, -1)], None),
        ([(1, 2), (1, -1)], None),
        ([(1, 10_001)], None),
        ([(1, 1)] * 101, None),
        ([(1, 1)], ""),
        ([(1, 1)], "a b"),
        ([(1, 1)], "x" * 201),
        ([(1, 1)], "x\n"),
    ],
    ids=str,
)
async def test_service_refuses_impossible_orders_itself(
    engine: AsyncEngine, service: OrderService, lines: list[tuple[int, int]], key: str | None
) -> None:
    """Callers that come without HTTP meet the same rules, before anything is asked of the database."""
    with trace_sql(engine) as trace, pytest.raises(InvalidOrderError):
        await service.place_order(1, lines, idempotency_key=key)

    assert trace.events == []
