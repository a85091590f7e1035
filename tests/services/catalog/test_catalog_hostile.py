"""Hostile requests to the catalogue: whatever is sent is stored as asked or refused, and tells nothing inside."""

import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.catalog.examples import PRODUCTS, a_book, a_monitor, a_tshirt

JSON = {"content-type": "application/json"}
INSIDE = ("mongo", "bson", "traceback", "pydantic", "e11000", "failingdocument")
KEYS = sorted({*a_book(), *a_monitor(), *a_tshirt(), "_id", "id", "$set", "$where", "a.b", "schema_version"})

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=210)
    | st.sampled_from(["0.10", "1e400", "-0", "NaN", "\x00", "\ud800", '{"$gt": ""}', "9" * 400, " "])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$gt", "$ne", "$regex", "width", "height", "a.b"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
changes = st.dictionaries(st.sampled_from(KEYS), values, max_size=3)
bodies = st.builds(
    lambda product, more: json.dumps(product | more).encode(),
    st.sampled_from([a_book(), a_monitor(), a_tshirt(), {}]),
    changes,
) | st.binary(max_size=100)

many = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_decent(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert not any(word in answer.text.lower() for word in INSIDE)


@many
@given(body=bodies, method=st.sampled_from(["POST", "PUT", "PATCH"]))
async def test_any_body_is_stored_or_refused(client: httpx.AsyncClient, body: bytes, method: str) -> None:
    """What is accepted can be read again, field by field."""
    made = await client.post(PRODUCTS, json=a_book(sku="X", isbn="9790000000001"))
    address = f"{PRODUCTS}/{made.json()['id']}"

    answer = await client.request(
        method, PRODUCTS if method == "POST" else address, content=body, headers=JSON
    )

    assert_decent(answer)
    if answer.status_code < 300:
        shown = answer.json()
        assert (await client.get(f"{PRODUCTS}/{shown['id']}")).json() == shown
        await client.delete(f"{PRODUCTS}/{shown['id']}")
    await client.delete(address)


@many
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=110) | st.sampled_from(["$ne", '{"$gt":""}', "a.$b"]),
    name=st.sampled_from(["kind", "min_price", "max_price", "has", "after", "limit", "kind[$ne]", "$where"]),
)
async def test_any_query_is_answered_or_refused(client: httpx.AsyncClient, text: str, name: str) -> None:
    """No parameter makes the catalogue fail, nor does any kind of the drift report."""
    for path in (PRODUCTS, "/catalog/drift"):
        answer = await client.get(path, params={name: text})
        assert_decent(answer)
        assert answer.status_code in (200, 400, 422)
