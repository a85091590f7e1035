"""Searching and paging over HTTP, on each engine: bounds that belong to the range, cursors that can't be abused."""

import base64
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from lab_support.database import trace_sql
from lab_support.services.store.cursors import cursor_after, id_of
from lab_support.services.store.entities import Product
from lab_support.services.store.errors import CursorError
from lab_support.services.store.repository import ProductSearch
from tests.services.test_store_http import add, assert_problem, before_any_engine, names

PRODUCTS = "/store/products"
SHELF = [("a", "lamps", "1.00"), ("b", "desks", "1.10"), ("c", "lamps", "1.20"), ("d", "desks", "1.30")]


async def fill(client: httpx.AsyncClient) -> None:
    for name, category, price in SHELF:
        await add(client, product_name=name, category=category, price=price)


async def walk(client: httpx.AsyncClient, **params: Any) -> list[str]:
    """Follow `next` to the end of a search."""
    seen: list[str] = []
    for _ in range(100):
        page = await client.get(PRODUCTS, params=params)
        seen += names(page)
        if (cursor := page.json()["next"]) is None:
            return seen
        params = params | {"after": cursor}
    pytest.fail("the pages have no end")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("category=lamps", ["a", "c"]),
        ("category=%20lamps%20", ["a", "c"]),
        ("category=LAMPS", []),
        ("min_price=1.10", ["b", "c", "d"]),
        ("max_price=1.1", ["a", "b"]),
        ("min_price=1.10&max_price=1.20", ["b", "c"]),
        ("min_price=1.2e0&max_price=12e-1", ["c"]),
        ("min_price=-0", ["a", "b", "c", "d"]),
        ("max_price=0", []),
        ("min_price=2&max_price=1", []),
        ("max_price=9999999999.99", ["a", "b", "c", "d"]),
        ("category=desks&min_price=1.2&q=D", ["d"]),
    ],
)
async def test_search_gives_what_is_meant(client: httpx.AsyncClient, query: str, expected: list[str]) -> None:
    """All conditions hold together, and both bounds belong to the range."""
    await fill(client)

    page = await client.get(f"{PRODUCTS}?{query}")

    assert names(page) == expected
    assert page.json()["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
@pytest.mark.parametrize(
    "search", [{}, {"category": "lamps"}, {"min_price": "1.10"}, {"q": "a", "max_price": 9}]
)
async def test_cursors_lead_through_the_whole_search(
    client: httpx.AsyncClient, search: dict[str, Any], limit: int
) -> None:
    """Whatever the size of the pages, each product meant is seen once, in order."""
    await fill(client)
    expected = names(await client.get(PRODUCTS, params=search | {"limit": 100}))

    assert await walk(client, **search, limit=limit) == expected


async def test_page_chosen_by_skip_leads_on(client: httpx.AsyncClient) -> None:
    """`skip` chooses where to begin, and `next` goes on from there."""
    await fill(client)

    page = await client.get(f"{PRODUCTS}?skip=1&limit=2")
    rest = await client.get(PRODUCTS, params={"after": page.json()["next"], "limit": 2})

    assert (names(page), names(rest), rest.json()["next"]) == (["b", "c"], ["d"], None)


async def test_pages_miss_nothing_while_others_sell(client: httpx.AsyncClient) -> None:
    """Products that come and go between two pages, the cursor's own among them, move no other."""
    await fill(client)

    first = await client.get(f"{PRODUCTS}?limit=2")
    await client.delete(f"{PRODUCTS}/1")
    await client.delete(f"{PRODUCTS}/2")
    await add(client, product_name="new")
    rest = await walk(client, after=first.json()["next"], limit=2)

    assert names(first) + rest == ["a", "b", "c", "d", "new"]


async def test_cursor_of_the_last_product_stays_good(client: httpx.AsyncClient) -> None:
    """A stale cursor, kept until everything is gone, gives an empty page, and later what is new."""
    await fill(client)
    cursor = (await client.get(f"{PRODUCTS}?limit=3")).json()["next"]
    for number in range(1, 5):
        await client.delete(f"{PRODUCTS}/{number}")

    assert names(await client.get(PRODUCTS, params={"after": cursor})) == []
    await add(client, product_name="new")
    assert names(await client.get(PRODUCTS, params={"after": cursor})) == ["new"]


async def test_page_size_may_change_with_one_cursor(client: httpx.AsyncClient) -> None:
    """A cursor belongs to a search and not to the size of its pages; one amount of money has one spelling."""
    await fill(client)
    cursor = (await client.get(f"{PRODUCTS}?limit=1&min_price=1")).json()["next"]

    page = await client.get(PRODUCTS, params={"after": cursor, "min_price": "1.00", "limit": 3})

    assert names(page) == ["b", "c", "d"]


async def test_cursor_of_another_search_is_refused(client: httpx.AsyncClient) -> None:
    """With other conditions a cursor would skip products without a word; so it answers 400."""
    await fill(client)
    cursor = (await client.get(f"{PRODUCTS}?limit=1&category=lamps")).json()["next"]

    for search in (
        {},
        {"category": "desks"},
        {"category": "lamps", "min_price": 1},
        {"category": "lamps", "q": "a"},
    ):
        body = assert_problem(await client.get(PRODUCTS, params=search | {"after": cursor}), 400)
        assert "first page" in body["detail"]


async def test_cursor_and_skip_exclude_each_other(client: httpx.AsyncClient) -> None:
    """Two ways to choose a page at once answer 400, also with skip=0."""
    await fill(client)
    cursor = (await client.get(f"{PRODUCTS}?limit=1")).json()["next"]

    for skip in (0, 1):
        assert_problem(await client.get(PRODUCTS, params={"after": cursor, "skip": skip}), 400)


GOOD = cursor_after(3, ProductSearch())


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "3",
        "null",
        "0",
        "-1",
        "AAAA",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "=",
        GOOD.swapcase(),
        "B" + GOOD[1:],
        GOOD[:4] + "/" + GOOD[5:],
        " " + GOOD,
        "é" * 18,
        "\u202e",
        "' OR 1=1 --",
        "../../etc/passwd",
        "eyJpZCI6M30",
        base64.urlsafe_b64encode(b"\x01\xff\xff\xff\xff" + b"\x00" * 8).decode().rstrip("="),
        base64.urlsafe_b64encode(b"\x00" * 13).decode().rstrip("="),
    ],
)
async def test_forged_cursor_is_a_bad_request(client: httpx.AsyncClient, cursor: str) -> None:
    """What the store has not given answers 400, without being repeated and without a statement."""
    answer = await client.get(PRODUCTS, params={"after": cursor})

    body = assert_problem(answer, 400)
    assert "after" in body["detail"]
    assert len(cursor) < 5 or cursor not in answer.text


@before_any_engine
@pytest.mark.parametrize("cursor", ["A" * 201, "A" * 60_000])
async def test_huge_cursor_is_refused(client: httpx.AsyncClient, cursor: str) -> None:
    """A cursor longer than any that the store gives answers 422."""
    assert_problem(await client.get(PRODUCTS, params={"after": cursor}), 422)


@before_any_engine
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in (0, -1, 101, 10**9, "1e2", "", "ten")),
        *(("skip", value) for value in (-1, 10**10)),
        *(
            ("min_price", value)
            for value in ("NaN", "-Infinity", "Infinity", "1e400", "0.001", "-0.01", "9" * 40)
        ),
        *(
            ("max_price", value)
            for value in ("nan", "inf", "1e10", "1e-3", "1" + "0" * 39 + ".00", "1,50", "")
        ),
        *(("category", value) for value in ("", "  ", "x" * 51, "a\x00b")),
    ],
)
async def test_search_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, name: str, value: object
) -> None:
    """A parameter out of its bounds answers 422 and is named."""
    body = assert_problem(await client.get(PRODUCTS, params={name: str(value)}), 422)

    assert [error["location"] for error in body["errors"]] == [["query", name]]


async def test_deep_page_costs_the_statement_of_the_first(client: httpx.AsyncClient, store: FastAPI) -> None:
    """A page by cursor reads one row more than it shows, however deep, and counts nothing."""
    async with store.state.engine.begin() as connection:
        rows = [{"name": f"p{number}", "price": 1} for number in range(300)]
        await connection.execute(insert(Product), rows)
    first = await client.get(f"{PRODUCTS}?limit=100")
    second = await client.get(PRODUCTS, params={"limit": 100, "after": first.json()["next"]})

    with trace_sql(store.state.engine) as trace:
        last = await client.get(PRODUCTS, params={"limit": 100, "after": second.json()["next"]})

    assert names(last)[-1] == "p299"
    assert last.json()["next"] is None
    (statement,) = trace.statements
    assert sorted(statement.parameters) in ([101, 200], [0, 101, 200])  # SQLite is told of an offset of 0
    assert "products.id >" in statement.sql


searches = st.builds(
    ProductSearch,
    category=st.none() | st.text(max_size=50),
    min_price=st.none() | st.decimals(0, 10**9, places=2),
    max_price=st.none() | st.decimals(0, 10**9, places=2),
    name_contains=st.none() | st.text(max_size=200),
)
ids = st.integers(1, 2**31 - 1)


@given(ids, searches)
def test_cursor_comes_back_as_it_was_given(product_id: int, search: ProductSearch) -> None:
    """Each cursor is short, fit for a URL, and read as the id that was written."""
    cursor = cursor_after(product_id, search)

    assert id_of(cursor, search) == product_id
    assert len(cursor) == 18
    assert cursor.replace("-", "a").replace("_", "a").isalnum()


@given(ids, searches, searches, st.text(max_size=30), st.integers(0, 16), st.sampled_from("Aa0-_"))
def test_changed_cursor_is_never_read(
    product_id: int, search: ProductSearch, other: ProductSearch, text: str, place: int, letter: str
) -> None:
    """Neither another search, nor a changed letter, nor any other text gives an id."""
    cursor = cursor_after(product_id, search)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    forgeries = {(cursor, other), (changed, search), (text, search), (cursor_after(1, other), search)}

    for forged, used in forgeries:
        if same(used, search) and forged in (cursor, cursor_after(1, search)):
            continue
        with pytest.raises(CursorError):
            id_of(forged, used)


def same(one: ProductSearch, other: ProductSearch) -> bool:
    """Tell whether two searches mean the same: an empty text is no condition."""
    return replace(one, name_contains=one.name_contains or None) == replace(
        other, name_contains=other.name_contains or None
    )
