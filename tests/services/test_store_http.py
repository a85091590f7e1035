"""Products over HTTP, on each engine: the exact surface that the lessons and other programs rely on."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from lab_support.services.store.entities import Order, OrderItem, Product

LAMP = {"product_name": "Desk lamp", "price": "24.90"}
LAMP_AS_SHOWN = {
    "product_id": 1,
    "product_name": "Desk lamp",
    "description": None,
    "price": "24.90",
    "stock": 0,
    "is_available": True,
    "category": "general",
    "price_with_tax": "29.88",
}
FULL = {
    "product_name": "Office chair",
    "category": "chairs",
    "description": "Grey",
    "price": "189.50",
    "stock": 7,
    "is_available": False,
}

JSON = {"content-type": "application/json"}
before_any_engine = pytest.mark.parametrize("shop_backend", ["sqlite"], indirect=True)
"""For refusals that happen before a database is asked; they are the same on each."""


async def add(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/store/products", json=LAMP | fields)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product


def summary(detail: dict[str, Any]) -> dict[str, Any]:
    """Give the list's line of a product that its own page shows so."""
    return {name: value for name, value in detail.items() if name not in ("description", "price_with_tax")}


def names(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return [product["product_name"] for product in page.json()["items"]]


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["type"]
    return body


async def test_new_product_is_shown_with_its_defaults(client: httpx.AsyncClient) -> None:
    """POST answers 201 with the stored product, and its Location leads to the same."""
    created = await client.post("/store/products", json=LAMP)

    assert created.status_code == 201
    assert created.json() == LAMP_AS_SHOWN
    assert created.headers["location"] == "/store/products/1"
    found = await client.get(created.headers["location"])
    assert found.status_code == 200
    assert found.json() == LAMP_AS_SHOWN


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("0", "0.00"),
        ("-0.00", "0.00"),
        (0.1, "0.10"),
        (5, "5.00"),
        ("1e3", "1000.00"),
        ("9999999999.99", "9999999999.99"),
    ],
)
async def test_price_keeps_every_cent(client: httpx.AsyncClient, sent: object, shown: str) -> None:
    """A price comes back as a string with two decimals, from the answer and from the database."""
    created = await add(client, price=sent)

    assert created["price"] == shown
    assert (await client.get("/store/products/1")).json()["price"] == shown


@before_any_engine
@pytest.mark.parametrize(
    "fields",
    [
        {"price": "-0.01"},
        {"price": "0.001"},
        {"price": "10000000000.00"},
        {"price": "NaN"},
        {"price": "Infinity"},
        {"price": True},
        {"price": None},
        {"price": "cheap"},
        {"product_name": ""},
        {"product_name": " \t\n "},
        {"product_name": "x" * 201},
        {"product_name": "a\x00b"},
        {"product_name": "\ud800"},
        {"product_name": 5},
        {"product_name": None},
        {"category": ""},
        {"category": None},
        {"category": "x" * 51},
        {"description": "x" * 501},
        {"description": "\x00"},
        {"stock": -1},
        {"stock": 2**31},
        {"stock": "5"},
        {"stock": 1.5},
        {"stock": True},
        {"stock": None},
        {"is_available": "yes"},
        {"is_available": None},
        {"product_id": 7},
        {"id": 7},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"supplier_cost": "0.01"},
    ],
    ids=repr,
)
async def test_product_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, fields: dict[str, object]
) -> None:
    """POST, PUT and PATCH answer 422, name the field, and change nothing."""
    before = await add(client)
    whole = escaped(LAMP | fields)

    answers = [
        await client.post("/store/products", content=whole, headers=JSON),
        await client.put("/store/products/1", content=whole, headers=JSON),
        await client.patch("/store/products/1", content=escaped(fields), headers=JSON),
    ]

    for answer in answers:
        errors = assert_problem(answer, 422)["errors"]
        assert [error["location"] for error in errors] == [["body", next(iter(fields))]]
        assert all(set(error) == {"location", "message"} for error in errors)
    page = await client.get("/store/products")
    assert page.json()["items"] == [summary(before)]


def escaped(fields: dict[str, Any]) -> bytes:
    """Write JSON in ASCII, as httpx refuses to encode lone surrogates."""
    return json.dumps(fields).encode()


async def test_largest_product_fits(client: httpx.AsyncClient) -> None:
    """Every limit is inclusive, counted in characters of any script."""
    big = {"product_name": "🪑" * 200, "description": "ž" * 500, "price": "9999999999.99", "stock": 2**31 - 1}
    created = await add(client, **big)

    assert {key: created[key] for key in big} == big
    assert (await client.get("/store/products/1")).json() == created


async def test_name_is_stripped(client: httpx.AsyncClient) -> None:
    """Blanks around a name are not part of it."""
    assert (await add(client, product_name="  Desk\tlamp \n"))["product_name"] == "Desk\tlamp"


async def test_put_replaces_the_whole_product(client: httpx.AsyncClient) -> None:
    """What PUT does not send gets its default."""
    await add(client, **FULL)

    replaced = await client.put("/store/products/1", json=LAMP)

    assert replaced.status_code == 200
    assert replaced.json() == LAMP_AS_SHOWN
    assert (await client.get("/store/products/1")).json() == LAMP_AS_SHOWN


async def test_put_demands_the_required_fields(client: httpx.AsyncClient) -> None:
    """PUT is no PATCH: without a price it is refused."""
    await add(client)

    body = assert_problem(await client.put("/store/products/1", json={"product_name": "Lamp"}), 422)

    assert [error["location"] for error in body["errors"]] == [["body", "price"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_name", "Stool"),
        ("category", "stools"),
        ("description", "Red"),
        ("description", None),
        ("price", "1.00"),
        ("stock", 0),
        ("is_available", True),
    ],
)
async def test_patch_leaves_unsent_fields(client: httpx.AsyncClient, field: str, value: object) -> None:
    """PATCH changes the one field it sends; null empties the only field that may be empty."""
    before = await add(client, **FULL)

    patched = await client.patch("/store/products/1", json={field: value})

    assert patched.status_code == 200
    taxed = {"price_with_tax": "1.20"} if field == "price" else {}
    assert patched.json() == before | {field: value} | taxed
    assert (await client.get("/store/products/1")).json() == patched.json()


async def test_patch_to_the_same_value_succeeds(client: httpx.AsyncClient) -> None:
    """A change that changes nothing is still a change of an existing product."""
    before = await add(client)

    answer = await client.patch("/store/products/1", json={"price": LAMP["price"]})

    assert (answer.status_code, answer.json()) == (200, before)


async def test_empty_patch_is_a_bad_request(client: httpx.AsyncClient) -> None:
    """PATCH without a field answers 400."""
    await add(client)

    assert (
        "at least one field"
        in assert_problem(await client.patch("/store/products/1", json={}), 400)["detail"]
    )


async def test_deleted_product_is_gone(client: httpx.AsyncClient) -> None:
    """DELETE answers 204 without a body, and 404 the second time."""
    await add(client)

    gone = await client.delete("/store/products/1")

    assert (gone.status_code, gone.content) == (204, b"")
    assert "content-type" not in gone.headers
    assert_problem(await client.delete("/store/products/1"), 404)
    assert_problem(await client.get("/store/products/1"), 404)


async def test_ordered_product_stays(client: httpx.AsyncClient, store: FastAPI) -> None:
    """DELETE answers 409 while an order refers to the product, says what to do, and deletes nothing."""
    await add(client)
    async with store.state.sessions() as session:
        line = OrderItem(product_id=1, quantity=1, unit_price=1)
        session.add(Order(customer_email="ada@example.com", items=[line]))
        await session.commit()

    body = assert_problem(await client.delete("/store/products/1"), 409)

    assert "is_available" in body["detail"]
    assert (await client.get("/store/products/1")).json() == LAMP_AS_SHOWN


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_absent_product_is_not_found(client: httpx.AsyncClient, method: str) -> None:
    """Whatever the 64-bit id, a product that is not there answers 404 on every method."""
    body = LAMP if method in ("PUT", "PATCH") else None

    for product_id in (1, 0, -1, 2**31 - 1, 2**31, 2**63 - 1, -(2**63)):
        answer = await client.request(method, f"/store/products/{product_id}", json=body)

        assert str(product_id) in assert_problem(answer, 404)["detail"]


@before_any_engine
@pytest.mark.parametrize(
    "product_id", [2**63, -(2**63) - 1, 10**30, "9" * 5000, "lamp", "1;DROP TABLE products"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_impossible_id_is_refused(client: httpx.AsyncClient, method: str, product_id: object) -> None:
    """An id that is no 64-bit number answers 422 and is not repeated."""
    body = LAMP if method in ("PUT", "PATCH") else None

    answer = await client.request(method, f"/store/products/{product_id}", json=body)

    assert assert_problem(answer, 422)["errors"][0]["location"] == ["path", "product_id"]
    assert "DROP" not in answer.text


async def test_pages_follow_the_ids(client: httpx.AsyncClient) -> None:
    """Pages join without a gap or a repetition, also after a product was changed."""
    for number in range(7):
        await add(client, product_name=f"p{number}")
    await client.patch("/store/products/1", json={"product_name": "p0 again"})

    pages = [
        names(await client.get("/store/products", params={"skip": skip, "limit": 3})) for skip in (0, 3, 6, 9)
    ]

    assert pages == [["p0 again", "p1", "p2"], ["p3", "p4", "p5"], ["p6"], []]


async def test_page_has_twenty_products_by_default(client: httpx.AsyncClient, store: FastAPI) -> None:
    """Without a limit the page has 20 products, with the largest limit 100; `next` leads to the rest."""
    async with store.state.sessions() as session:
        session.add_all([Product(name=f"p{number}", price=1) for number in range(101)])
        await session.commit()

    assert len(names(await client.get("/store/products"))) == 20
    page = await client.get("/store/products", params={"limit": 100})
    assert len(names(page)) == 100
    assert set(page.json()) == {"items", "next"}
    rest = await client.get("/store/products", params={"after": page.json()["next"]})
    assert names(rest) == ["p100"]
    assert rest.json()["next"] is None


async def test_empty_store_has_an_empty_page(client: httpx.AsyncClient) -> None:
    """No products is no error."""
    assert (await client.get("/store/products")).json() == {"items": [], "next": None}


@before_any_engine
@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=-1", "limit=x", "skip=-1", "skip=2147483649", "skip=9e9"),
        *(f"skip={'9' * 5000}", "q=%00", f"q={'x' * 201}"),
    ],
)
async def test_page_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: str) -> None:
    """A parameter out of its bounds answers 422 and is named."""
    body = assert_problem(await client.get(f"/store/products?{query}"), 422)

    assert [error["location"] for error in body["errors"]] == [["query", query.partition("=")[0]]]


async def test_largest_skip_is_an_empty_page(client: httpx.AsyncClient) -> None:
    """Every engine understands the largest skip."""
    await add(client)

    assert names(await client.get("/store/products", params={"skip": 2**31, "limit": 100})) == []


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("LAMP", ["Desk lamp", "lamp_100%"]),
        ("%", ["lamp_100%"]),
        ("_", ["lamp_100%"]),
        ("\\", ["back\\slash"]),
        ("/", ["for/ward"]),
        ("k\\s", ["back\\slash"]),
        ("", ["Desk lamp", "lamp_100%", "back\\slash", "for/ward", "it's"]),
        ("'", ["it's"]),
        ("' OR '1'='1", []),
        ("%' OR 1=1 --", []),
        ("'; DROP TABLE products; --", []),
    ],
)
async def test_search_takes_the_term_literally(
    client: httpx.AsyncClient, term: str, expected: list[str]
) -> None:
    """Wildcards and quotes are characters like others, capitals don't matter, and nothing is executed."""
    for name in ("Desk lamp", "lamp_100%", "back\\slash", "for/ward", "it's"):
        await add(client, product_name=name)

    assert names(await client.get("/store/products", params={"q": term})) == expected
    assert len(names(await client.get("/store/products"))) == 5


async def test_search_is_paged_too(client: httpx.AsyncClient) -> None:
    """Skip and limit count among what was found."""
    for name in ("lamp a", "chair", "lamp b", "lamp c"):
        await add(client, product_name=name)

    assert names(await client.get("/store/products?q=lamp&skip=1&limit=1")) == ["lamp b"]


async def test_change_is_dated(client: httpx.AsyncClient, store: FastAPI) -> None:
    """PATCH moves `updated_at` and leaves `created_at`."""
    await add(client)
    times = select(Product.created_at, Product.updated_at)
    sessions = store.state.sessions
    async with sessions() as session:
        created, _ = (await session.execute(times)).one()

    await client.patch("/store/products/1", json={"stock": 3})

    async with sessions() as session:
        created_after, updated_after = (await session.execute(times)).one()
    assert created_after == created
    assert updated_after > created
