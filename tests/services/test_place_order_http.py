"""Orders over HTTP, on each engine: what a good one gets, and what every bad one is told while nothing is kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from lab_support.database import build_engine, fault, session_factory, trace_sql, unit_of_work
from lab_support.pools import Timeouts
from lab_support.services.store import ordering
from lab_support.services.store.entities import Product, User
from lab_support.services.store.seed import seed_users
from tests.services.selling import (
    LIMIT_S,
    assert_balanced,
    assert_no_connection_is_out,
    open_shop,
    read_books,
)

ORDERS = "/store/orders"


@pytest.fixture
async def shop_open(store: FastAPI) -> FastAPI:
    await open_shop(store.state.engine, stock=[5, 50], prices=["24.90", "0.10"], balances=["100.00", "1.00"])
    return store


@pytest.fixture
async def buyer(client: httpx.AsyncClient, shop_open: FastAPI) -> httpx.AsyncClient:
    return client


def an_order(*lines: tuple[Any, Any], user_id: Any = 1) -> dict[str, Any]:
    return {"user_id": user_id, "items": [{"product_id": one, "quantity": n} for one, n in lines]}


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


async def test_order_is_placed_and_can_be_read(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """POST answers 201 with the order and its address; GET there shows the same."""
    before = await read_books(store.state.engine)

    answer = await buyer.post(ORDERS, json=an_order((2, 3), (1, 2)))

    assert answer.status_code == 201
    order = answer.json()
    number = order.pop("order_id")
    assert order == {
        "customer_email": "u1@x.y",
        "lines": [
            line | {"product_name": f"p{line['product_id']}"}
            for line in (
                {"product_id": 2, "quantity": 3, "unit_price": "0.10", "line_total": "0.30"},
                {"product_id": 1, "quantity": 2, "unit_price": "24.90", "line_total": "49.80"},
            )
        ],
        "total": "50.10",
    }
    assert answer.headers["location"] == f"{ORDERS}/{number}"
    assert (await buyer.get(answer.headers["location"])).json() == answer.json()
    after = await assert_balanced(store.state.engine, before)
    assert (after.stock, after.balances) == ((3, 47), (Decimal("49.90"), Decimal("1.00")))


async def test_lines_of_one_product_are_one_line(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """Two lines for one product are added up, also where each alone would have been possible."""
    answer = await buyer.post(ORDERS, json=an_order((1, 1), (2, 1), (1, 2)))
    too_many = await buyer.post(ORDERS, json=an_order((1, 1), (1, 2)))

    assert [(line["product_id"], line["quantity"]) for line in answer.json()["lines"]] == [(1, 3), (2, 1)]
    assert too_many.status_code == 409
    assert (await read_books(store.state.engine)).stock == (2, 49)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (an_order((1, 6)), 409),
        (an_order((2, 1), (1, 6)), 409),
        (an_order((1, 5)), 402),
        (an_order((1, 1), user_id=2), 402),
        (an_order((99, 1)), 404),
        (an_order((1, 1), (99, 1)), 404),
        (an_order((2**40, 1)), 404),
        (an_order((0, 1)), 404),
        (an_order((-1, 1)), 404),
        (an_order((1, 1), user_id=99), 404),
        (an_order((1, 1), user_id=2**40), 404),
        (an_order((1, 1), user_id=-1), 404),
        (an_order((1, 0)), 422),
        (an_order((1, -1)), 422),
        (an_order((1, 2), (1, -1)), 422),
        (an_order((1, 10_001)), 422),
        (an_order((1, 10**9)), 422),
        (an_order((1, 10**30)), 422),
        (an_order((10**30, 1)), 422),
        (an_order((1, 1.5)), 422),
        (an_order((1, "1")), 422),
        (an_order((1, True)), 422),
        (an_order((1, None)), 422),
        (an_order((True, 1)), 422),
        (an_order((1, 1), user_id=None), 422),
        (an_order(), 422),
        (an_order(*[(1, 1)] * 101), 422),
        (an_order(*[(n, 1) for n in range(10_000)]), 413),
        (an_order((1, 1)) | {"total": "0.01"}, 422),
        ({"user_id": 1, "items": [{"product_id": 1, "quantity": 1, "unit_price": "0.01"}]}, 422),
        ({"user_id": 1}, 422),
        ({"items": []}, 422),
        ([], 422),
    ],
    ids=lambda value: str(value)[:60] if not isinstance(value, int) else None,
)
async def test_bad_order_is_refused_and_leaves_nothing(
    buyer: httpx.AsyncClient, store: FastAPI, body: Any, status: int
) -> None:
    """Every bad order gets the status of its fault as a problem document; no row, no key, no connection is kept."""
    before = await read_books(store.state.engine)

    answer = await buyer.post(ORDERS, json=body, headers=key("k"))

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 3000
    assert await read_books(store.state.engine) == before
    await assert_no_connection_is_out(store.state.engine)


async def test_order_of_a_hundred_lines_is_placed(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """A hundred lines are the most that are possible, and are."""
    async with store.state.engine.begin() as connection:
        await connection.execute(update(Product).where(Product.id == 2).values(stock=100))

    answer = await buyer.post(ORDERS, json=an_order(*[(2, 1)] * 100))

    assert answer.status_code == 201
    assert (await read_books(store.state.engine)).stock == (5, 0)


async def test_product_off_sale_is_refused(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """A product that is there and not for sale is a conflict, and the answer says what to do."""
    async with store.state.engine.begin() as connection:
        await connection.execute(update(Product).where(Product.id == 1).values(is_available=False))

    answer = await buyer.post(ORDERS, json=an_order((1, 1)))

    assert answer.status_code == 409
    assert "leave it out" in answer.json()["detail"]


async def test_refusals_say_what_is_missing_and_keep_the_balance_secret(buyer: httpx.AsyncClient) -> None:
    """409 names the product, 402 the price; what the user has is told to nobody."""
    out, unpaid = [
        (await buyer.post(ORDERS, json=an_order(line))).json()["detail"] for line in ((1, 6), (1, 5))
    ]

    assert "fewer than 6 pieces of product 1" in out
    assert "124.50" in unpaid
    assert "100" not in unpaid


async def test_price_beyond_any_balance_is_refused(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """A total that no account could hold is too expensive, and no server error."""
    async with store.state.engine.begin() as connection:
        await connection.execute(
            update(Product).where(Product.id == 2).values(price=Decimal("9999999999.99"))
        )

    answer = await buyer.post(ORDERS, json=an_order((2, 50)))

    assert answer.status_code == 402
    assert "499999999999.50" in answer.json()["detail"]


async def test_request_sent_again_gets_the_first_answer(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """Same key, same order, its lines in whatever sequence: the same status, body and address, and one order."""
    bodies = [
        an_order((1, 1), (2, 2)),
        an_order((1, 1), (2, 2)),
        an_order((2, 2), (1, 1)),
        an_order((2, 1), (1, 1), (2, 1)),
    ]

    answers = [await buyer.post(ORDERS, json=body, headers=key("k")) for body in bodies]

    assert {answer.status_code for answer in answers} == {201}
    assert len({(answer.content, answer.headers["location"]) for answer in answers}) == 1
    assert (await read_books(store.state.engine)).orders == 1


async def test_twenty_equal_requests_at_once_order_once(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """All twenty are answered alike, with the one order there is."""
    async with asyncio.timeout(LIMIT_S):
        answers = await asyncio.gather(
            *(buyer.post(ORDERS, json=an_order((1, 3)), headers=key("k")) for _ in range(20))
        )

    assert {answer.status_code for answer in answers} == {201}
    assert len({(answer.content, answer.headers["location"]) for answer in answers}) == 1
    assert (await read_books(store.state.engine)).stock == (2, 50)
    await assert_no_connection_is_out(store.state.engine)


@pytest.mark.parametrize("other", [an_order((1, 2)), an_order((2, 1)), an_order((1, 1), user_id=2)])
async def test_key_of_another_order_is_refused(
    buyer: httpx.AsyncClient, store: FastAPI, other: dict[str, Any]
) -> None:
    """Same key, other order: 422, and nothing happens."""
    await buyer.post(ORDERS, json=an_order((1, 1)), headers=key("k"))
    before = await read_books(store.state.engine)

    answer = await buyer.post(ORDERS, json=other, headers=key("k"))

    assert answer.status_code == 422
    assert "idempotency key" in answer.json()["detail"]
    assert await read_books(store.state.engine) == before


async def test_body_under_another_key_is_another_order(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """What is sent without a key, or under another one, is meant again; keys differ by their capitals too."""
    headers = [key("k"), key("K"), key("another"), {}, {}]

    answers = [await buyer.post(ORDERS, json=an_order((2, 1)), headers=one) for one in headers]

    assert len({answer.headers["location"] for answer in answers}) == 5
    assert (await read_books(store.state.engine)).stock == (5, 45)


@pytest.mark.parametrize("name", ["", " ", "a b", "x" * 201, "x" * 8000, "é", "\x7f"])
async def test_key_that_is_none_is_refused(buyer: httpx.AsyncClient, store: FastAPI, name: str) -> None:
    """A key is bounded and visible; others are refused before anything is asked of the database."""
    with trace_sql(store.state.engine) as trace:
        answer = await buyer.post(
            ORDERS, json=an_order((1, 1)), headers=[(b"Idempotency-Key", name.encode("latin-1"))]
        )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == ["header", "idempotency-key"]
    assert trace.events == []


async def test_longest_key_is_kept_whole(buyer: httpx.AsyncClient) -> None:
    """Two keys of the greatest length that differ in their last character are two keys."""
    names = ["x" * 199 + end for end in "ab"]

    answers = [await buyer.post(ORDERS, json=an_order((2, 1)), headers=key(name)) for name in names * 2]

    assert [answer.headers["location"] for answer in answers[:2]] == [
        answer.headers["location"] for answer in answers[2:]
    ]
    assert answers[0].headers["location"] != answers[1].headers["location"]


async def test_unforeseen_error_is_told_without_detail(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """An error that nobody planned for is a 500 without a detail, and half an order is none."""
    before = await read_books(store.state.engine)

    with fault(store.state.engine, after_statement=4) as injected:
        answer = await buyer.post(ORDERS, json=an_order((1, 1)))

    assert injected.reached
    assert answer.status_code == 500
    assert answer.json() == {"type": "about:blank", "title": "Internal server error", "status": 500}
    assert await read_books(store.state.engine) == before


async def test_answer_that_got_lost_after_the_commit_is_given_again(
    buyer: httpx.AsyncClient, store: FastAPI
) -> None:
    """The order is kept, the caller hears a failure, asks again under the same key, and hears of that order."""
    with fault(store.state.engine, after_commit=True):
        lost = await buyer.post(ORDERS, json=an_order((1, 1)), headers=key("k"))
    kept = await read_books(store.state.engine)

    again = await buyer.post(ORDERS, json=an_order((1, 1)), headers=key("k"))

    assert (lost.status_code, again.status_code) == (500, 201)
    assert (await buyer.get(again.headers["location"])).json() == again.json()
    assert kept == await read_books(store.state.engine)
    assert kept.orders == 1


async def test_callers_who_hang_up_leave_whole_orders_or_none(
    buyer: httpx.AsyncClient, store: FastAPI
) -> None:
    """Requests cancelled at any moment leave no half order and no connection; asked again, each is one order."""
    before = await read_books(store.state.engine)
    requests = [
        asyncio.ensure_future(buyer.post(ORDERS, json=an_order((2, 1)), headers=key(f"k{n}")))
        for n in range(12)
    ]
    await requests[0]
    for request in requests[1:]:
        request.cancel()
        await asyncio.sleep(0.002)  # spreads the moments; what is asserted holds for each
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*requests, return_exceptions=True)

    await assert_no_connection_is_out(store.state.engine)
    await assert_balanced(store.state.engine, before)
    again = [
        await buyer.post(ORDERS, json=an_order((2, 1)), headers=key(f"k{n}")) for n in range(len(requests))
    ]
    assert {answer.status_code for answer in again} == {201}
    assert (await assert_balanced(store.state.engine, before)).orders == len(requests)


@pytest.fixture
async def impatient(shop_open: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastAPI]:
    """Let the store wait for a lock for one second only."""
    usual = shop_open.state.sessions
    engine = build_engine(shop_open.state.engine.url, timeouts=Timeouts(lock_s=1))
    monkeypatch.setattr(ordering, "PATIENCE_S", 0.5)
    shop_open.state.sessions = session_factory(engine)
    yield shop_open
    shop_open.state.sessions = usual
    await engine.dispose()


async def test_locked_database_is_told_with_the_time_to_come_back(
    buyer: httpx.AsyncClient, impatient: FastAPI
) -> None:
    """Locked for longer than the lock timeout: 503 with Retry-After, nothing half done; afterwards it works."""
    before = await read_books(impatient.state.engine)
    async with unit_of_work(session_factory(impatient.state.engine)) as uow:
        await uow.session.execute(update(Product).values(stock=Product.stock))
        async with asyncio.timeout(LIMIT_S):
            answer = await buyer.post(ORDERS, json=an_order((1, 1)), headers=key("k"))

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["title"] == "Database busy"
    assert await read_books(impatient.state.engine) == before
    assert (await buyer.post(ORDERS, json=an_order((1, 1)), headers=key("k"))).status_code == 201


async def test_orders_of_a_user_come_in_pages(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """The cursor leads through all orders of one user, oldest first, and to nobody else's; two statements a page."""
    for user in (1, 2, 1, 1, 2, 1, 1):
        await buyer.post(ORDERS, json=an_order((2, 1), user_id=user))
    seen, after = [], None
    while True:
        with trace_sql(store.state.engine) as trace:
            query = {"user_id": 1, "limit": 2} | ({"after": after} if after else {})
            page = (await buyer.get(ORDERS, params=query)).json()
        assert len(trace.statements) == 2
        seen.append(page["items"])
        if (after := page["next"]) is None:
            break

    assert [len(items) for items in seen] == [2, 2, 1]
    orders = [order for items in seen for order in items]
    assert {order["customer_email"] for order in orders} == {"u1@x.y"}
    assert [order["order_id"] for order in orders] == sorted(order["order_id"] for order in orders)
    assert (await buyer.get(f"{ORDERS}/{orders[0]['order_id']}")).json() == orders[0]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("?user_id=", 422),
        ("?user_id=x", 422),
        ("?user_id=1&limit=0", 422),
        ("?user_id=1&limit=101", 422),
        ("?user_id=1&after=", 400),
        ("?user_id=1&after=nonsense", 400),
        ("?user_id=99999999999999999999", 422),
        ("?user_id=4000000000", 200),
        ("?user_id=-1", 200),
    ],
)
async def test_odd_questions_about_orders_are_answered(
    buyer: httpx.AsyncClient, query: str, status: int
) -> None:
    """A list needs to know whose; a user who is not known has no orders."""
    answer = await buyer.get(ORDERS + query)

    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"items": [], "next": None}


async def test_cursor_of_another_user_or_of_products_is_refused(buyer: httpx.AsyncClient) -> None:
    """A cursor belongs to the list that gave it."""
    for _ in range(2):
        await buyer.post(ORDERS, json=an_order((2, 1)))
    mine = (await buyer.get(f"{ORDERS}?user_id=1&limit=1")).json()["next"]
    products = (await buyer.get("/store/products?limit=1")).json()["next"]

    for user, cursor in ((2, mine), (1, products)):
        answer = await buyer.get(ORDERS, params={"user_id": user, "after": cursor})
        assert answer.status_code == 400


async def test_order_that_is_not_there_is_not_found(buyer: httpx.AsyncClient) -> None:
    """Unknown and impossible numbers are 404."""
    for number in (99, 0, -1, 2**40):
        assert (await buyer.get(f"{ORDERS}/{number}")).status_code == 404


async def test_ordered_product_and_paid_order_stay(buyer: httpx.AsyncClient, store: FastAPI) -> None:
    """A product in an order can't be deleted, and the database keeps an order that was paid."""
    await buyer.post(ORDERS, json=an_order((1, 1)))

    assert (await buyer.delete("/store/products/1")).status_code == 409
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with store.state.engine.begin() as connection:
            await connection.execute(text("DELETE FROM orders"))


async def test_seeded_users_can_buy(client: httpx.AsyncClient, store: FastAPI) -> None:
    """Users made by the seed have a balance, and a password that nobody can use."""
    await open_shop(store.state.engine, balances=[])
    async with unit_of_work(store.state.sessions) as uow:
        users = await seed_users(uow.session, balance=Decimal("30.00"))
        await uow.commit()

    answer = await client.post(ORDERS, json=an_order((1, 1), user_id=users[0].id))

    assert answer.status_code == 201
    assert answer.json()["customer_email"] == users[0].email
    async with store.state.sessions() as session:
        assert (await session.get(User, users[0].id)).balance == Decimal("5.10")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
numbers = st.integers(-3, 60) | st.sampled_from([2**31, 2**63, -(2**63), 10**25]) | values
anything = st.fixed_dictionaries(
    {},
    optional={
        "user_id": numbers,
        "items": st.lists(
            st.fixed_dictionaries({}, optional={"product_id": numbers, "quantity": numbers}), max_size=4
        )
        | values,
    },
)


@pytest.mark.parametrize("shop_backend", ["sqlite"], indirect=True)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=anything)
async def test_any_order_is_placed_or_refused(
    buyer: httpx.AsyncClient, store: FastAPI, body: dict[str, Any]
) -> None:
    """Whatever is ordered, the answer is no server error, and the books balance."""
    before = await read_books(store.state.engine)

    answer = await buyer.post(ORDERS, content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert answer.status_code in (201, 402, 404, 409, 422)
    after = await assert_balanced(store.state.engine, before)
    assert after.orders - before.orders == (answer.status_code == 201)
