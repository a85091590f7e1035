"""The catalogue over HTTP: products of three kinds, created, read, found, replaced, changed and deleted."""

import json
from datetime import datetime
from typing import Any

import httpx
import pytest
from bson import Decimal128, ObjectId
from fastapi import FastAPI

from lab_support.documents.types import Collection
from tests.services.catalog.examples import PRODUCTS, a_book, a_monitor, a_tshirt, created

NOBODY = "0123456789abcdef01234567"
JSON = {"content-type": "application/json"}
EVERY_KIND = [a_monitor(), a_tshirt(), a_book()]


@pytest.mark.parametrize("product", EVERY_KIND, ids=["monitor", "tshirt", "book"])
async def test_created_product_is_found_at_its_location(
    client: httpx.AsyncClient, product: dict[str, Any]
) -> None:
    """Every field comes back, with an id and two times, and nothing of another kind."""
    answer = await client.post(PRODUCTS, json=product)

    assert answer.status_code == 201
    shown = (await client.get(answer.headers["location"])).json()
    assert shown == answer.json()
    assert {name: shown[name] for name in product} == product
    assert ObjectId.is_valid(shown["id"])
    assert "_id" not in shown
    assert datetime.fromisoformat(shown["created_at"]) <= datetime.fromisoformat(shown["updated_at"])


async def test_document_holds_exact_money_and_nothing_null(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """A field that was not sent is missing in the document; the price is a decimal of BSON."""
    (shown,) = await created(client, a_tshirt(price="0.10"))

    document = await stored.find_one({"sku": "TEE-1"})

    assert document is not None
    assert document["_id"] == ObjectId(shown["id"])
    assert document["price"] == Decimal128("0.10")
    assert document["schema_version"] == 3
    assert not {"description", "material", "id", "created_at"} & document.keys()


@pytest.mark.parametrize("other", [a_book(), a_monitor(sku="BOOK-1")], ids=["same book", "other kind"])
async def test_sku_belongs_to_one_product(client: httpx.AsyncClient, other: dict[str, Any]) -> None:
    """The index decides, whatever the kind; nothing is written."""
    await created(client, a_book())

    answer = await client.post(PRODUCTS, json=other)

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert len((await client.get(PRODUCTS)).json()["items"]) == 1


async def test_isbn_belongs_to_one_book_and_others_have_none(client: httpx.AsyncClient) -> None:
    """The partial index holds books alone: two products without an ISBN are no conflict."""
    await created(client, a_book(), a_tshirt(), a_monitor())

    assert (await client.post(PRODUCTS, json=a_book(sku="BOOK-2"))).status_code == 409


@pytest.mark.parametrize("path", ["1", "x" * 24, NOBODY[:-1], NOBODY + "0", "{}", "%24ne", NOBODY + "%00"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_text_that_is_no_id_is_a_bad_request(client: httpx.AsyncClient, method: str, path: str) -> None:
    """400 says that the question is wrong, 404 that the product is not there."""
    body = {"PUT": a_book(), "PATCH": {"name": "x"}}.get(method)

    answer = await client.request(method, f"{PRODUCTS}/{path}", json=body)

    assert answer.status_code == 400
    assert "24 hexadecimal digits" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_absent_product_is_not_found(client: httpx.AsyncClient, method: str) -> None:
    """And nothing is made in its place."""
    body = {"PUT": a_book(), "PATCH": {"name": "x"}}.get(method)

    answer = await client.request(method, f"{PRODUCTS}/{NOBODY}", json=body)

    assert answer.status_code == 404
    assert (await client.get(PRODUCTS)).json()["items"] == []


async def test_patch_leaves_what_it_does_not_name(client: httpx.AsyncClient, stored: Collection) -> None:
    """Also the fields that no model knows."""
    (book,) = await created(client, a_book(pages=120, description="Blue"))
    await stored.update_one({"_id": ObjectId(book["id"])}, {"$set": {"shelf": {"row": 4}}})

    answer = await client.patch(f"{PRODUCTS}/{book['id']}", json={"price": "9.99", "authors": ["B"]})

    assert answer.status_code == 200
    changed = answer.json()
    assert changed == book | {"price": "9.99", "authors": ["B"], "updated_at": changed["updated_at"]}
    assert changed["updated_at"] >= book["updated_at"]
    document = await stored.find_one({"_id": ObjectId(book["id"])})
    assert document is not None
    assert document["shelf"] == {"row": 4}


async def test_null_takes_an_optional_field_away(client: httpx.AsyncClient, stored: Collection) -> None:
    """What is gone is missing in the document, and not null."""
    (book,) = await created(client, a_book(pages=120, description="Blue"))

    answer = await client.patch(f"{PRODUCTS}/{book['id']}", json={"description": None, "pages": None})

    assert (answer.json()["description"], answer.json()["pages"]) == (None, None)
    assert await stored.count_documents({"description": {"$exists": False}, "pages": {"$exists": False}}) == 1


async def test_patch_with_equal_values_is_no_error(client: httpx.AsyncClient) -> None:
    """Nothing modified is not the same as nothing found."""
    (book,) = await created(client, a_book())

    answers = [await client.patch(f"{PRODUCTS}/{book['id']}", json={"name": "Engines"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_empty_patch_is_a_bad_request(client: httpx.AsyncClient) -> None:
    """An empty `$set` would be an error of the server's."""
    (book,) = await created(client, a_book())

    answer = await client.patch(f"{PRODUCTS}/{book['id']}", json={})

    assert answer.status_code == 400
    assert "at least one field" in answer.json()["detail"]


async def test_patch_of_a_foreign_field_is_refused(client: httpx.AsyncClient) -> None:
    """A T-shirt gets no pages; the answer says which field, and nothing else of the patch is done."""
    (shirt,) = await created(client, a_tshirt())

    answer = await client.patch(f"{PRODUCTS}/{shirt['id']}", json={"name": "New", "pages": 3})

    assert answer.status_code == 422
    assert "'tshirt' has no pages" in answer.json()["detail"]
    assert (await client.get(f"{PRODUCTS}/{shirt['id']}")).json() == shirt


async def test_patch_to_a_taken_sku_is_a_conflict(client: httpx.AsyncClient) -> None:
    """Keeping one's own sku is none."""
    shirt, book = await created(client, a_tshirt(), a_book())

    taken = await client.patch(f"{PRODUCTS}/{shirt['id']}", json={"sku": book["sku"]})
    own = await client.patch(f"{PRODUCTS}/{shirt['id']}", json={"sku": shirt["sku"]})

    assert (taken.status_code, own.status_code) == (409, 200)


async def test_put_replaces_the_whole_product(client: httpx.AsyncClient, stored: Collection) -> None:
    """What is not sent is gone, id and time of making stay, and the kind may be another."""
    (book,) = await created(client, a_book(description="Blue"))

    answer = await client.put(f"{PRODUCTS}/{book['id']}", json=a_tshirt())

    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["id"], shown["created_at"], shown["kind"]) == (book["id"], book["created_at"], "tshirt")
    document = await stored.find_one({})
    assert document is not None
    assert not {"isbn", "authors", "description"} & document.keys()


async def test_put_of_a_taken_sku_is_a_conflict(client: httpx.AsyncClient) -> None:
    """Both products stay as they were."""
    shirt, book = await created(client, a_tshirt(), a_book())

    answer = await client.put(f"{PRODUCTS}/{shirt['id']}", json=a_tshirt(sku=book["sku"]))

    assert answer.status_code == 409
    assert (await client.get(f"{PRODUCTS}/{shirt['id']}")).json() == shirt


async def test_deleted_product_is_gone(client: httpx.AsyncClient) -> None:
    """The second deletion finds none."""
    shirt, book = await created(client, a_tshirt(), a_book())

    first = await client.delete(f"{PRODUCTS}/{shirt['id']}")
    second = await client.delete(f"{PRODUCTS}/{shirt['id']}")

    assert (first.status_code, first.content, second.status_code) == (204, b"", 404)
    assert [one["id"] for one in (await client.get(PRODUCTS)).json()["items"]] == [book["id"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["MON-1", "TEE-1", "BOOK-1", "TEE-2"]),
        ({"kind": "tshirt"}, ["TEE-1", "TEE-2"]),
        ({"min_price": "14.90"}, ["MON-1", "TEE-1", "BOOK-1"]),
        ({"max_price": "14.9"}, ["TEE-1", "TEE-2"]),
        ({"min_price": "14.91", "max_price": "24"}, ["BOOK-1"]),
        ({"kind": "tshirt", "max_price": "9"}, ["TEE-2"]),
        ({"has": "material"}, ["TEE-2"]),
        ({"has": ["resolution", "refresh_hz"]}, []),
        ({"has": "nothing_like_it"}, []),
        ({"kind": "book", "has": "size"}, []),
    ],
    ids=str,
)
async def test_search_gives_what_is_meant(
    client: httpx.AsyncClient, query: dict[str, Any], expected: list[str]
) -> None:
    """Conditions hold together, and prices are compared as exact numbers."""
    await created(
        client, a_monitor(), a_tshirt(), a_book(), a_tshirt(sku="TEE-2", price="9.00", material="wool")
    )

    answer = await client.get(PRODUCTS, params=query)

    assert [one["sku"] for one in answer.json()["items"]] == expected
    assert answer.json()["next"] is None


async def test_pages_join_without_a_gap(client: httpx.AsyncClient) -> None:
    """Also when the last product of a page is deleted before the next page is asked for."""
    skus = [f"TEE-{number}" for number in range(5)]
    await created(client, *(a_tshirt(sku=sku) for sku in skus))

    first = (await client.get(PRODUCTS, params={"limit": 2})).json()
    await client.delete(f"{PRODUCTS}/{first['next']}")
    second = (await client.get(PRODUCTS, params={"limit": 2, "after": first["next"]})).json()
    third = (await client.get(PRODUCTS, params={"limit": 2, "after": second["next"]})).json()

    assert [one["sku"] for page in (first, second, third) for one in page["items"]] == skus
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"after": "x"}, 400),
        ({"after": "[$gt]"}, 400),
        ({"limit": 0}, 422),
        ({"limit": 101}, 422),
        ({"kind": "sofa"}, 422),
        ({"kind": '{"$ne": null}'}, 422),
        ({"min_price": "cheap"}, 422),
        ({"min_price": "NaN"}, 422),
        ({"max_price": '{"$gt": 0}'}, 422),
        ({"has": "$where"}, 422),
        ({"has": "a.b"}, 422),
        ({"has": "_id"}, 422),
        ({"has": "a\x00"}, 422),
        ({"has": ["a"] * 11}, 422),
    ],
    ids=str,
)
async def test_query_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, query: dict[str, Any], status: int
) -> None:
    """No parameter is ever an operator, a path or a pattern."""
    answer = await client.get(PRODUCTS, params=query)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_operators_in_the_query_string_are_only_names(client: httpx.AsyncClient) -> None:
    """`price[$gt]=0` is a parameter that nobody asked for, and changes nothing."""
    await created(client, a_tshirt())

    answer = await client.get(PRODUCTS, params={"kind[$ne]": "tshirt", "$where": "sleep(1000)"})

    assert [one["sku"] for one in answer.json()["items"]] == ["TEE-1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sku": {"$ne": ""}},
        {"name": {"$regex": "(a+)+$"}},
        {"$where": "1"},
        {"a.b": 1},
        {"_id": NOBODY},
        {"id": NOBODY},
        {"schema_version": 1},
        {"updated_at": "2020-01-01T00:00:00Z"},
        {"na\x00me": 1},
        {"name": "a\x00b"},
        {"name": "\ud800"},
        {"name": ""},
        {"name": "  "},
        {"price": -1},
        {"price": "1.001"},
        {"price": True},
        {"price": {"$numberDecimal": "1"}},
        {"kind": "sofa"},
        {"kind": None},
        {"authors": []},
        {"authors": [["x"]]},
        {"authors": "x"},
        {"isbn": "978123456789X"},
        {"pages": "12"},
        {"pages": 0},
        {"size": "M"},
    ],
    ids=repr,
)
async def test_document_that_fits_no_kind_is_refused(
    client: httpx.AsyncClient, stored: Collection, wrong: dict[str, Any]
) -> None:
    """Neither POST nor PUT nor PATCH writes it, and no type is guessed."""
    (book,) = await created(client, a_book())
    address = f"{PRODUCTS}/{book['id']}"

    requests = [
        ("POST", PRODUCTS, a_book(sku="BOOK-2", isbn="9790000000000") | wrong),
        ("PUT", address, a_book() | wrong),
        ("PATCH", address, wrong),
    ]
    answers = [
        await client.request(method, path, content=json.dumps(body), headers=JSON)
        for method, path, body in requests
    ]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert (await client.get(address)).json() == book
    assert await stored.count_documents({}) == 1


async def test_deep_and_large_bodies_are_refused(client: httpx.AsyncClient) -> None:
    """Neither reaches the driver, whose limits are 100 levels and 16 MB."""
    deep = b'{"kind": "book", "name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    large = b'{"name": "' + b"x" * 17 * 1024 * 1024 + b'"}'

    answers = [await client.post(PRODUCTS, content=body, headers=JSON) for body in (deep, large)]

    assert answers[0].status_code in (400, 422)
    assert answers[1].status_code == 413


async def test_description_tells_the_kinds_apart(client: httpx.AsyncClient, app: FastAPI) -> None:
    """A reader of the OpenAPI description sees which fields each kind has, and what an id looks like."""
    described = (await client.get("/openapi.json")).json()

    body = described["paths"][PRODUCTS]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["discriminator"]["mapping"]) == {"monitor", "tshirt", "book"}
    path = described["paths"][PRODUCTS + "/{product_id}"]["get"]
    assert path["parameters"][0]["schema"]["pattern"] == "^[0-9a-f]{24}$"
    assert {"400", "404", "503", "504"} <= path["responses"].keys()
