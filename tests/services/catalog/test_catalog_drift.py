"""The drift report: what the documents really have, by kind, field and type."""

from datetime import UTC, datetime
from typing import Any

import httpx
from bson import ObjectId

from lab_support.documents.types import Collection
from tests.services.catalog.examples import a_book, a_tshirt, created, unvalidated

YEARS = [datetime(year, 1, 1, tzinfo=UTC) for year in (2021, 2022, 2023)]


async def report(client: httpx.AsyncClient, **query: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    answer = await client.get("/catalog/drift", params=query)
    assert answer.status_code == 200
    return {(row["kind"], row["field"], row["type"]): row for row in answer.json()["rows"]}


async def test_products_of_today_show_no_drift(client: httpx.AsyncClient) -> None:
    """Every row is one that the schema declares."""
    await created(client, a_tshirt(), a_book(pages=3), a_tshirt(sku="TEE-2", material="wool"))

    rows = await report(client)

    assert all(row["expected"] for row in rows.values())
    assert rows["tshirt", "_id", "objectId"]["count"] == 2
    assert rows["tshirt", "material", "string"]["count"] == 1
    assert rows["tshirt", "material", "missing"]["count"] == 1
    assert rows["book", "authors", "array"]["of"] == 1


async def test_each_type_of_a_field_is_counted(client: httpx.AsyncClient, stored: Collection) -> None:
    """Missing and null are two things, and neither is what the first document happens to have."""
    await created(client, a_tshirt())
    async with unvalidated(stored):
        await stored.insert_many(
            [
                {"kind": "tshirt", "sku": "A", "price": 1.5, "size": None},
                {"kind": "tshirt", "sku": "B", "price": "1.50", "extra": [1]},
                {"kind": "tshirt", "sku": "C", "size": "M", "extra": {}},
                {"sku": "D", "kind": 7},
                {"sku": "E"},
            ]
        )

    rows = await report(client)

    prices = {
        type_: row["count"]
        for (kind, field, type_), row in rows.items()
        if (kind, field) == ("tshirt", "price")
    }
    assert prices == {"decimal": 1, "double": 1, "string": 1, "missing": 1}
    sizes = {
        type_: row["count"]
        for (kind, field, type_), row in rows.items()
        if (kind, field) == ("tshirt", "size")
    }
    assert sizes == {"string": 2, "null": 1, "missing": 1}
    assert [rows["tshirt", "price", type_]["expected"] for type_ in ("decimal", "double", "missing")] == [
        True,
        False,
        False,
    ]
    assert not rows["tshirt", "extra", "array"]["expected"]
    assert rows[None, "_id", "objectId"]["count"] == 2


async def test_report_says_when_it_was_seen_first_and_last(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """By the times in the ids of the documents that have the field so."""
    async with unvalidated(stored):
        await stored.insert_many(
            [
                {"_id": ObjectId.from_datetime(year), "kind": "book", "sku": f"B{number}", "pages": pages}
                for number, (year, pages) in enumerate(zip(YEARS, ("1", 2, "3"), strict=True))
            ]
        )

    rows = await report(client, kind="book")

    text, number = rows["book", "pages", "string"], rows["book", "pages", "int"]
    assert [text["first_seen"], text["last_seen"]] == ["2021-01-01T00:00:00Z", "2023-01-01T00:00:00Z"]
    assert number["first_seen"] == number["last_seen"] == "2022-01-01T00:00:00Z"
    assert rows["book", "isbn", "missing"]["first_seen"] is None


async def test_report_can_be_of_one_kind(client: httpx.AsyncClient) -> None:
    """An empty catalogue has an empty report; a kind that nobody knows is refused."""
    assert await report(client) == {}
    await created(client, a_tshirt(), a_book())

    assert {kind for kind, _, _ in await report(client, kind="book")} == {"book"}
    assert (await client.get("/catalog/drift", params={"kind": "sofa"})).status_code == 422
    assert (await client.get("/catalog/drift")).json()["total"] == 2
