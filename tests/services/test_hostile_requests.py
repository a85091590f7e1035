"""Hostile requests: whatever is sent, the answer is the caller's fault, a problem document, and tells no SQL."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON = {"content-type": "application/json"}
SQL = (
    "select ",
    "insert ",
    "update ",
    "delete from",
    "sqlite",
    "asyncpg",
    "pymysql",
    "traceback",
    "sqlalche.me",
)
FIELDS = ("product_name", "description", "price", "stock", "is_available", "product_id", "id")
MEGABYTE = 1024 * 1024

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**20)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=250)
    | st.sampled_from(
        ["0.10", "1e400", "-0", "NaN", "\x00", "\ud800", "' OR 1=1 --", "9" * 400, " ", "\u202e"]
    )
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
products = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(FIELDS, values),
)
bodies = (products | values | st.dictionaries(st.sampled_from(FIELDS) | st.text(), values)).map(
    lambda body: json.dumps(body).encode()
) | st.binary(max_size=200)

many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_decent(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert not any(word in answer.text.lower() for word in SQL) or answer.status_code < 300
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@many
@given(body=bodies, method=st.sampled_from(["POST", "PUT", "PATCH"]))
async def test_any_body_is_stored_or_refused(client: httpx.AsyncClient, body: bytes, method: str) -> None:
    """No body makes the store fail, on any engine; what it accepts can be read again."""
    created = await client.post("/store/products", json={"product_name": "Lamp", "price": 1})
    address = "/store/products" if method == "POST" else created.headers["location"]

    answer = await client.request(method, address, content=body, headers=JSON)

    assert_decent(answer)
    if answer.status_code < 300:
        shown = answer.json()
        assert (await client.get(f"/store/products/{shown['product_id']}")).json() == shown
    else:
        assert answer.status_code in (400, 422)


@many
@given(q=st.text(st.characters(codec="utf-8"), max_size=210), skip=st.integers(), limit=st.integers())
async def test_any_query_is_answered_or_refused(
    client: httpx.AsyncClient, q: str, skip: int, limit: int
) -> None:
    """No search makes the store fail, on any engine."""
    for params in ({"q": q}, {"skip": skip}, {"limit": limit}):
        answer = await client.get("/store/products", params=params)
        assert_decent(answer)
        assert answer.status_code in (200, 422)


only_sqlite = pytest.mark.parametrize("shop_backend", ["sqlite"], indirect=True)


@only_sqlite
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"{'product_name': 1}", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b'{"price":' * 7_000, 400),
        (b'{"price":' + b"9" * 5_000 + b"}", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b'{"\\ud800": 1}', 422),
        (b"x" * (10 * MEGABYTE), 413),
        (json.dumps({"product_name": "x" * MEGABYTE, "price": 1}).encode(), 413),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else value,
)
async def test_body_that_is_no_product_is_refused(
    client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    """Malformed, nested and huge bodies get the status of their fault, and a short answer."""
    answer = await client.post("/store/products", content=body, headers=JSON)

    assert answer.status_code == status
    assert_decent(answer)
    assert len(answer.content) < 500


@only_sqlite
async def test_huge_body_without_a_length_is_stopped(client: httpx.AsyncClient) -> None:
    """A body sent in pieces is refused where it gets too long, not after all of it has come."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 16_384

    answer = await client.post("/store/products", content=pieces(), headers=JSON)

    assert answer.status_code == 413
    assert_decent(answer)
    assert sent <= 5


@only_sqlite
@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/x"]
)
async def test_body_of_another_type_is_refused(client: httpx.AsyncClient, content_type: str | None) -> None:
    """A product is JSON and says so."""
    headers = {"content-type": content_type} if content_type else {}

    answer = await client.post("/store/products", content=b'{"product_name":"a","price":1}', headers=headers)

    assert answer.status_code == 422
    assert_decent(answer)


@only_sqlite
async def test_many_wrong_fields_get_a_short_answer(client: httpx.AsyncClient) -> None:
    """The answer counts all errors, lists twenty, and repeats no value and no name that is not a field's."""
    body: dict[str, Any] = {f"DROP TABLE x{n}": "secret" for n in range(500)}

    answer = await client.post("/store/products", json=body)

    assert_decent(answer)
    assert answer.status_code == 422
    assert "502 error(s)" in answer.json()["detail"]
    assert len(answer.json()["errors"]) == 20
    assert "DROP" not in answer.text
    assert "secret" not in answer.text


@only_sqlite
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/store/nowhere", 404),
        ("GET", "/store/products/1/x", 404),
        ("PATCH", "/store/products", 405),
        ("POST", "/store/products/1", 405),
        ("TRACE", "/store/products", 405),
        ("POST", "/healthz", 405),
        ("GET", "/store/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
async def test_unknown_address_is_a_problem_document(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Unknown routes and methods answer like every other error."""
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert_decent(answer)
    assert ("allow" in answer.headers) == (status == 405)
