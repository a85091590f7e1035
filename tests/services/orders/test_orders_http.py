"""Orders over HTTP, on each engine: what a good order gets, and what every bad one is told while nothing is kept."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import trace_sql
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.entities import (
    IdempotencyKey,
    Order,
    OrderLine,
    OutboxMessage,
    TimelineEntry,
)
from lab_support.services.orders.seed import PRICES
from tests.services.orders.taking_orders import Clock, Sessions, announced, lines, rows

only_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
WRITTEN = (Order, OrderLine, OutboxMessage, TimelineEntry, IdempotencyKey)


def an_order(*wanted: tuple[Any, Any], **more: Any) -> dict[str, Any]:
    items = [{"sku": sku, "quantity": pieces} for sku, pieces in wanted]
    return {"customer_id": "ada", "pay_by": "credit", "items": items} | more


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


async def test_order_is_accepted_and_can_be_read(
    orders_client: httpx.AsyncClient, clock: Clock, sessions: Sessions
) -> None:
    """POST answers 202 with the order's address and its total; GET there shows it waiting, and what it began with."""
    answer = await orders_client.post(
        "/orders", json=an_order(("MUG-2", 3), ("LAMP-7", 1), ("MUG-2", 1)), headers=key("one")
    )

    assert (answer.status_code, answer.json()["status"], answer.json()["total"]) == (202, "PENDING", "62.90")
    order_id = answer.json()["order_id"]
    assert answer.headers["location"] == f"/orders/{order_id}"
    shown = (await orders_client.get(answer.headers["location"])).json()
    (created,) = await announced(sessions)
    assert shown == {
        "order_id": order_id,
        "saga_id": str(created.saga_id),
        "customer_id": "ada",
        "pay_by": "credit",
        "coordination": "choreography",
        "status": "PENDING",
        "reason": None,
        "failed_step": None,
        "total": "62.90",
        "delivery_note": None,
        "lines": [
            {"sku": "MUG-2", "quantity": 4, "unit_price": "9.50"},
            {"sku": "LAMP-7", "quantity": 1, "unit_price": "24.90"},
        ],
        "deadline_at": "2026-11-24T12:00:30Z",
        "created_at": "2026-11-24T12:00:00Z",
        "updated_at": "2026-11-24T12:00:00Z",
    }
    assert (created.type, created.aggregate_id, created.occurred_at) == ("OrderCreated", order_id, clock.now)
    assert created.payload == {
        "order_id": order_id,
        "customer_id": "ada",
        "pay_by": "credit",
        "total": "62.90",
        "items": [{"sku": "MUG-2", "quantity": 4}, {"sku": "LAMP-7", "quantity": 1}],
        "coordination": "choreography",
    }


@only_sqlite
async def test_order_by_card_waits_for_its_payment(orders_client: httpx.AsyncClient) -> None:
    """An order by card begins in a state of its own."""
    answer = await orders_client.post("/orders", json=an_order(("MUG-2", 1), pay_by="card"))

    assert answer.json()["status"] == "PENDING_PAYMENT"


@only_sqlite
async def test_repeated_post_gets_the_first_answer(
    orders_client: httpx.AsyncClient, sessions: Sessions
) -> None:
    """The same key with the same order, however its lines are written, is answered again and not taken again."""
    first = await orders_client.post("/orders", json=an_order(("MUG-2", 2), ("LAMP-7", 1)), headers=key("k"))
    again = await orders_client.post(
        "/orders", json=an_order(("LAMP-7", 1), ("MUG-2", 1), ("MUG-2", 1)), headers=key("k")
    )
    other = await orders_client.post("/orders", json=an_order(("MUG-2", 3)), headers=key("k"))

    assert (again.status_code, again.content) == (202, first.content)
    assert other.status_code == 422
    assert await rows(sessions, *WRITTEN) == (1, 2, 1, 1, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (an_order(("NO-SUCH", 1)), 404),
        (an_order(("MUG-2", 1), ("NO-SUCH", 1)), 404),
        (an_order(("MUG-2", 0)), 422),
        (an_order(("MUG-2", -1)), 422),
        (an_order(("MUG-2", 10_001)), 422),
        (an_order(("MUG-2", 10**30)), 422),
        (an_order(("MUG-2", 10_000), ("MUG-2", 1)), 422),
        (an_order(("MUG-2", 1.5)), 422),
        (an_order(("MUG-2", "1")), 422),
        (an_order(("MUG-2", True)), 422),
        (an_order(("mug-2", 1)), 422),
        (an_order(("MUG-2\n", 1)), 422),
        (an_order(("MUG-2\x00", 1)), 422),
        (an_order((None, 1)), 422),
        (an_order(), 422),
        (an_order(*[("MUG-2", 1)] * 51), 422),
        (an_order(*[("MUG-2", 1)] * 5_000), 413),
        (an_order(("MUG-2", 1), customer_id="Ada"), 422),
        (an_order(("MUG-2", 1), customer_id=""), 422),
        (an_order(("MUG-2", 1), customer_id="a" * 65), 422),
        (an_order(("MUG-2", 1), customer_id=7), 422),
        (an_order(("MUG-2", 1), pay_by="shells"), 422),
        (an_order(("MUG-2", 1), total="0.01"), 422),
        (an_order(("MUG-2", 1), status="APPROVED"), 422),
        (an_order(("MUG-2", 1), coordination="orchestration"), 422),
        (
            {
                "customer_id": "ada",
                "pay_by": "credit",
                "items": [{"sku": "MUG-2", "quantity": 1, "unit_price": "0"}],
            },
            422,
        ),
        ({"customer_id": "ada", "pay_by": "credit"}, 422),
        ([], 422),
        (None, 422),
    ],
    ids=lambda value: json.dumps(value)[:70].replace(" ", "") if not isinstance(value, int) else None,
)
@only_sqlite
async def test_bad_order_is_refused_and_leaves_nothing(
    orders_client: httpx.AsyncClient, sessions: Sessions, body: Any, status: int
) -> None:
    """Every bad order gets the status of its fault as a problem document; no row and no key is kept."""
    answer = await orders_client.post("/orders", json=body, headers=key("k"))

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 3000
    assert await rows(sessions, *WRITTEN) == (0,) * 5


@only_sqlite
@pytest.mark.parametrize("name", ["", "a b", "x" * 201, "caf\u00e9".encode().decode("latin-1"), "\t"])
async def test_bad_key_is_refused(orders_client: httpx.AsyncClient, name: str) -> None:
    """A key that the table could not keep exactly is the caller's fault."""
    headers = {b"Idempotency-Key": name.encode("latin-1")}

    answer = await orders_client.post("/orders", json=an_order(("MUG-2", 1)), headers=headers)

    assert answer.status_code == 422


@only_sqlite
async def test_order_of_fifty_lines_is_taken(orders_client: httpx.AsyncClient) -> None:
    """Fifty lines of one product are the most that are possible, and become one line."""
    answer = await orders_client.post("/orders", json=an_order(*[("MUG-2", 200)] * 50))

    assert answer.json()["total"] == "95000.00"


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=80)
    | st.sampled_from(["MUG-2", "ada", "credit", "card", "\x00", "\ud800", "' OR 1=1 --", "NaN", "1e400"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sku", "quantity"]), inner),
)
bodies = (
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("customer_id", "pay_by", "items", "total"), values)
    ).map(lambda change: json.dumps(an_order(("MUG-2", 1)) | change).encode())
    | values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
)


@only_sqlite
@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=bodies, path=st.sampled_from(["/orders", "note", "review"]))
async def test_any_body_is_taken_or_refused(orders_client: httpx.AsyncClient, body: bytes, path: str) -> None:
    """No body makes Orders fail; what it takes can be read again."""
    method = "PATCH" if path == "note" else "POST"
    address = {"note": f"/orders/{uuid4()}", "review": f"/orders/reviews/{uuid4()}"}.get(path, path)

    answer = await orders_client.request(
        method, address, content=body, headers={"content-type": "application/json"}
    )

    if answer.status_code == 202:
        assert (await orders_client.get(answer.headers["location"])).status_code == 200
    else:
        assert answer.status_code in (400, 404, 422)
        assert answer.headers["content-type"] == "application/problem+json"


@only_sqlite
@pytest.mark.parametrize("tail", ["", "/timeline"])
@pytest.mark.parametrize(
    ("order_id", "status"),
    [("00000000-0000-4000-8000-000000000000", 404), ("seven", 422), ("0" * 400, 422)],
    ids=str,
)
async def test_unknown_order_is_told(
    orders_client: httpx.AsyncClient, order_id: str, status: int, tail: str
) -> None:
    """An id that no order has is 404; what is no id is 422."""
    assert (await orders_client.get(f"/orders/{order_id}{tail}")).status_code == status


@only_sqlite
async def test_price_list_can_be_read(orders_client: httpx.AsyncClient) -> None:
    """Prices are text with two decimals, in the order of the skus."""
    prices = (await orders_client.get("/prices")).json()

    assert [one["sku"] for one in prices] == sorted(PRICES)
    assert prices[1] == {"sku": "CABLE-9", "name": "Cable", "unit_price": "4.99"}


@pytest.mark.parametrize(("wanted", "plain"), [(1, 5), (5, 5)])
async def test_statements_of_an_order_are_counted(
    engine: AsyncEngine, desk: Desk, wanted: int, plain: int
) -> None:
    """Prices, order, lines, event and timeline are a statement each, however many lines; a key costs two."""
    items = lines(*[(sku, 1) for sku in ("LAMP-7", "DESK-1", "CHAIR-4", "MUG-2", "CABLE-9")[:wanted]])
    with trace_sql(engine) as trace:
        await desk.orders.place_order("ada", "credit", items)
    with trace_sql(engine) as keyed:
        await desk.orders.place_order("ada", "credit", items, idempotency_key="k")

    assert (len(trace.statements), len(keyed.statements)) == (plain, plain + 2)
    assert [event.kind for event in trace.events].count("COMMIT") == 1
