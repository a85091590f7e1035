"""What the services offer to whoever composes: many things in one call, a fixed number of queries, bounded."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from lab_support.database import Trace, create_tables, session_factory, trace_sql
from lab_support.services import create_app, running_app
from lab_support.services.inventory.entities import Reservation, ReservationLine
from lab_support.services.orders.entities import Order, OrderLine, OrdersBase, TimelineEntry
from lab_support.services.orders.errors import OrderNotFoundError
from lab_support.services.orders.reading import OrderReader
from lab_support.services.payments.entities import CompensationTask, Payment
from lab_support.settings import Settings

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MANY = [UUID(int=number) for number in range(1, 101)]


# --- orders and their journal, on each engine


@pytest.fixture
async def reader(engine: AsyncEngine) -> OrderReader:
    await create_tables(engine, OrdersBase.metadata)
    return OrderReader(session_factory(engine))


async def add_orders(engine: AsyncEngine, number: int, customer_id: str = "ada") -> list[UUID]:
    """Add orders, three in each second, with a line each."""
    ids = [uuid4() for _ in range(number)]
    rows = [
        {
            "id": one,
            "saga_id": uuid4(),
            "customer_id": customer_id,
            "pay_by": "card",
            "coordination": "choreography",
            "status": "PENDING_PAYMENT",
            "total": Decimal("1.00"),
            "deadline_at": NOON,
            "created_at": NOON + timedelta(seconds=count // 3),
            "updated_at": NOON,
        }
        for count, one in enumerate(ids)
    ]
    lines = [
        {"order_id": one, "sku": "LAMP-7", "position": 1, "quantity": 1, "unit_price": Decimal("1.00")}
        for one in ids
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(Order), rows)
        await connection.execute(insert(OrderLine), lines)
    return ids


async def test_pages_of_orders_are_newest_first_and_miss_none(
    reader: OrderReader, engine: AsyncEngine
) -> None:
    """Orders of one moment too; nobody else's are among them."""
    mine = await add_orders(engine, 8)
    await add_orders(engine, 3, "bob")
    seen: list[Order] = []
    after: UUID | None = None
    while True:
        page = await reader.orders_of("ada", after=after, limit=3)
        seen += page.items
        if (after := page.next) is None:
            break

    assert len(seen) == 8
    assert {one.id for one in seen} == set(mine)
    assert [one.created_at for one in seen] == sorted((one.created_at for one in seen), reverse=True)
    assert all(len(one.lines) == 1 for one in seen)


async def test_page_costs_the_same_queries_however_long(reader: OrderReader, engine: AsyncEngine) -> None:
    """Orders, and their lines together."""
    await add_orders(engine, 20)
    counted = []
    for limit in (1, 20):
        with trace_sql(engine) as trace:
            await reader.orders_of("ada", after=None, limit=limit)
        counted.append(len(trace.statements))

    assert counted == [2, 2]


async def test_page_after_anothers_order_is_not_found(reader: OrderReader, engine: AsyncEngine) -> None:
    """As if it did not exist."""
    [theirs] = await add_orders(engine, 1, "bob")

    for after in (theirs, uuid4()):
        with pytest.raises(OrderNotFoundError):
            await reader.orders_of("ada", after=after, limit=3)


async def test_journal_is_read_in_pages(reader: OrderReader, engine: AsyncEngine) -> None:
    """In the order in which events were noted, with the end in sight."""
    row: dict[str, Any] = {"service": "orders", "type": "OrderApproved", "payload": {"n": 1}}
    rows = [
        row | {"event_id": uuid4(), "order_id": uuid4(), "occurred_at": NOON, "recorded_at": NOON}
        for _ in range(5)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(TimelineEntry), rows)

    first = await reader.journal(after=0, limit=3)
    second = await reader.journal(after=first.entries[-1].id, limit=3)

    read = [one.event_id for one in [*first.entries, *second.entries]]
    assert read == [one["event_id"] for one in rows]
    assert first.last == second.last == second.entries[-1].id


# --- over HTTP


@pytest.fixture(scope="module")
async def app() -> FastAPI:
    return create_app(Settings(), only=("orders", "payments", "inventory", "catalog"))


@pytest.fixture(scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(app=app) as client:
        yield client


async def fill(app: FastAPI, service: str, *rows: Any) -> None:
    session: AsyncSession
    async with app.state.services[service].state.sessions() as session:
        session.add_all(rows)
        await session.commit()


def in_bulk(trace: Trace) -> int:
    """Count the queries about many things; the service's own workers look for other things meanwhile."""
    return sum(one.sql is not None and "SELECT" in one.sql and " IN (" in one.sql for one in trace.statements)


def asked(path: str, name: str, values: list[Any]) -> str:
    return f"{path}?" + "&".join(f"{name}={value}" for value in values)


async def test_payments_of_many_orders_are_two_queries(app: FastAPI, client: httpx.AsyncClient) -> None:
    """With their refunds; orders without a payment are left out."""
    first, second, none = uuid4(), uuid4(), uuid4()
    rows = [
        Payment(order_id=one, payment_id=uuid4(), customer_id="ada", amount=Decimal("1.00"), status="CHARGED")
        for one in (first, second)
    ]
    promise = CompensationTask(
        id=uuid4(),
        subject=str(first),
        action="refund-payment",
        status="DONE",
        attempts=1,
        payload={},
        next_try_at=NOON,
        opened_at=NOON,
    )
    await fill(app, "payments", *rows, promise)

    with trace_sql(app.state.services["payments"].state.engine) as trace:
        answer = await client.get(asked("/payments", "order_id", [second, first, none]))

    found = {one["order_id"]: one["refund"] for one in answer.json()}
    assert found.keys() == {str(first), str(second)}
    assert found[str(first)]["status"] == "DONE"
    assert found[str(second)] is None
    assert in_bulk(trace) == 2


async def test_reservations_of_many_orders_are_one_query(app: FastAPI, client: httpx.AsyncClient) -> None:
    """Where nothing was decided the order is left out."""
    order = uuid4()
    await fill(app, "inventory", Reservation(order_id=order, pay_by="card", status="RESERVED"))
    await fill(app, "inventory", ReservationLine(order_id=order, sku="MUG-2", quantity=3))

    with trace_sql(app.state.services["inventory"].state.engine) as trace:
        answer = await client.get(asked("/inventory/reservations", "order_id", [order, uuid4()]))

    assert answer.json() == [{"order_id": str(order), "status": "RESERVED", "sku": None, "reason": None}]
    assert in_bulk(trace) == 1


async def test_stock_of_named_products_is_one_page(client: httpx.AsyncClient) -> None:
    """In the order of their skus, each once; what the warehouse does not have is left out."""
    page = (await client.get(asked("/inventory/stock", "sku", ["MUG-2", "NONE-1", "LAMP-7", "MUG-2"]))).json()

    assert [one["sku"] for one in page["items"]] == ["LAMP-7", "MUG-2"]
    assert page["next"] is None


async def test_named_products_of_the_catalogue(client: httpx.AsyncClient) -> None:
    """Those of them that there are."""
    page = (await client.get(asked("/catalog/products", "sku", ["MON-27", "BOOK-1", "NONE-1"]))).json()

    assert sorted(one["sku"] for one in page["items"]) == ["BOOK-1", "MON-27"]


@pytest.mark.parametrize(
    ("path", "name", "values"),
    [
        ("/payments", "order_id", [*MANY, uuid4()]),
        ("/payments", "order_id", []),
        ("/payments", "order_id", ["no-id"]),
        ("/inventory/reservations", "order_id", [*MANY, uuid4()]),
        ("/inventory/reservations", "order_id", []),
        ("/inventory/stock", "sku", [f"SKU-{number}" for number in range(101)]),
        ("/inventory/stock", "sku", ["no sku"]),
        ("/catalog/products", "sku", [f"SKU-{number}" for number in range(101)]),
        ("/catalog/products", "sku", ["$gt"]),
        ("/orders", "customer_id", []),
        ("/orders", "customer_id", ["No Name"]),
        ("/orders/journal", "limit", [1001]),
        ("/orders/journal", "after", [-1]),
        ("/orders/journal", "after", [2**63]),
    ],
)
async def test_too_many_or_none_or_nonsense_is_refused(
    client: httpx.AsyncClient, path: str, name: str, values: list[Any]
) -> None:
    """A hundred at once is the most; each has to look like what it is."""
    assert (await client.get(asked(path, name, values))).status_code == 422


@pytest.mark.parametrize("path", ["/payments", "/inventory/reservations"])
async def test_hundred_at_once_is_allowed(client: httpx.AsyncClient, path: str) -> None:
    """The bound itself."""
    assert (await client.get(asked(path, "order_id", MANY))).json() == []
