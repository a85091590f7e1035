"""What the catalogue announces: each change and its event are one write, whoever else changes the product."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from bson import ObjectId
from fastapi import FastAPI
from pymongo import monitoring

from lab_support.documents.client import mongo_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.money import to_bson
from lab_support.documents.types import Collection
from lab_support.messaging import Event
from lab_support.services.catalog import announcing
from lab_support.services.catalog.announcing_repository import AnnouncingCatalogRepository
from lab_support.services.catalog.document_outbox import stored_event
from lab_support.services.catalog.events import EVENTS, ProductDiscontinued
from lab_support.services.catalog.introducing import introduce
from lab_support.services.catalog.mapping import new_product
from lab_support.services.catalog.participation import participate
from lab_support.services.catalog.seed import old_documents, seed
from tests.services.catalog.conftest import client_for
from tests.services.catalog.examples import PRODUCTS, a_book, a_monitor, a_tshirt, created, unvalidated
from tests.services.catalog.talking import FakeBus, add_products, another_book


@pytest.fixture
async def client(app: FastAPI, stored: Collection) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a catalogue that takes part; no relay runs, so that what waits can be read."""
    bus: Any = FakeBus()
    app.state.participant = participate(app.state.documents, bus)
    async with client_for(app) as client:
        yield client
    del app.state.participant


async def waiting(stored: Collection, id_: object) -> list[Event]:
    """Give the events that wait in a product's document."""
    document = await stored.find_one({"_id": ObjectId(str(id_))})
    return [] if document is None else [stored_event(one) for one in document["outbox"]["pending"]]


async def test_each_change_leaves_its_event_in_the_document(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """Named by what has happened, with a version that grows by one."""
    (book,) = await created(client, a_book())
    address = f"{PRODUCTS}/{book['id']}"
    await client.patch(address, json={"pages": 300})
    await client.patch(address, json={"price": "19.00", "name": "Engines, again"})
    await client.put(address, json=a_book(name="Third edition", price="19.00"))
    await client.put(address, json=a_book(price="21.00"))
    await client.delete(address)

    events = await waiting(stored, book["id"])
    assert [(event.type, event.payload["version"]) for event in events] == [
        ("ProductAdded", 1),
        ("ProductChanged", 2),
        ("ProductPriceChanged", 3),
        ("ProductChanged", 4),
        ("ProductPriceChanged", 5),
        ("ProductDiscontinued", 6),
    ]


async def test_event_carries_the_product_as_it_is_afterwards(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """A reader needs nothing else; money is text."""
    (book,) = await created(client, a_book())
    await client.patch(f"{PRODUCTS}/{book['id']}", json={"price": "19.00"})

    last = (await waiting(stored, book["id"]))[-1]

    assert last.payload == {
        "product_id": book["id"], "version": 2, "sku": "BOOK-1", "name": "Engines", "price": "19.00",
    }  # fmt: skip
    assert (last.aggregate_type, last.aggregate_id) == ("product", book["id"])
    assert EVENTS.payload_of(last).model_dump()["price"] == Decimal("19.00")


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("PATCH", {"size": "M"}, 422),
        ("PATCH", {}, 400),
        ("PATCH", {"sku": "TEE-1"}, 409),
        ("PUT", a_book(sku="TEE-1"), 409),
        ("PATCH", {"outbox": {"pending": []}}, 422),
        ("PATCH", {"times_ordered": 9}, 422),
    ],
)
async def test_refused_change_announces_nothing(
    client: httpx.AsyncClient, stored: Collection, method: str, body: dict[str, Any], status: int
) -> None:
    book, _ = await created(client, a_book(), a_tshirt())

    answer = await client.request(method, f"{PRODUCTS}/{book['id']}", json=body)

    assert answer.status_code == status
    assert len(await waiting(stored, book["id"])) == 1


async def test_discontinued_product_is_gone_for_every_reader_at_once(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """Although its document still waits for the relay."""
    book, shirt = await created(client, a_book(), a_tshirt())
    address = f"{PRODUCTS}/{book['id']}"

    assert (await client.delete(address)).status_code == 204

    assert (await client.get(address)).status_code == 404
    assert (await client.patch(address, json={"pages": 3})).status_code == 404
    assert (await client.put(address, json=a_book())).status_code == 404
    assert (await client.delete(address)).status_code == 404
    assert [one["id"] for one in (await client.get(PRODUCTS)).json()["items"]] == [shirt["id"]]
    assert (await client.get("/catalog/drift")).json()["total"] == 1
    assert await stored.count_documents({}) == 2


async def test_answers_and_report_say_nothing_of_what_waits(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    (shirt,) = await created(client, a_tshirt())

    shown = (await client.get(PRODUCTS)).json()["items"]
    fields = {row["field"] for row in (await client.get("/catalog/drift")).json()["rows"]}

    assert not {"outbox", "inbox"} & (shown[0].keys() | fields | shirt.keys())
    assert shown[0]["times_ordered"] == 0


async def test_replacing_keeps_what_waits_and_what_was_counted(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """And takes away every field that was not sent, known or not."""
    (book,) = await created(client, a_book(pages=300))
    noted = {"times_ordered": 3, "inbox": ["x"], "eco_label": "B"}
    await stored.update_one({"sku": "BOOK-1"}, {"$set": noted})

    answer = await client.put(f"{PRODUCTS}/{book['id']}", json=a_monitor(sku="MON-9"))

    document = await stored.find_one({"_id": ObjectId(book["id"])})
    assert document is not None
    assert (answer.json()["times_ordered"], document["inbox"]) == (3, ["x"])
    assert not {"eco_label", "pages", "isbn", "authors"} & document.keys()
    assert len(document["outbox"]["pending"]) == 2


async def test_changes_at_the_same_moment_each_have_a_version(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """No version is given twice, none is left out, and the last event is what the product is."""
    (shirt,) = await created(client, a_tshirt())
    address = f"{PRODUCTS}/{shirt['id']}"
    changes: list[dict[str, Any]] = [
        *({"price": f"{number}.00"} for number in range(1, 5)),
        *({"name": f"Name {number}"} for number in range(4)),
    ]

    answers = await asyncio.gather(*(client.patch(address, json=change) for change in changes))

    assert [answer.status_code for answer in answers] == [200] * 8
    events = await waiting(stored, shirt["id"])
    assert [event.payload["version"] for event in events] == list(range(1, 10))
    shown = (await client.get(address)).json()
    assert {name: events[-1].payload[name] for name in ("sku", "name", "price")} == {
        name: shown[name] for name in ("sku", "name", "price")
    }


async def test_old_document_is_announced_by_its_first_change(
    client: httpx.AsyncClient, stored: Collection
) -> None:
    """It is brought up first, and what it costs did not change by that."""
    async with unvalidated(stored):
        id_ = (await stored.insert_one(old_documents(1)[0])).inserted_id

    answer = await client.patch(f"{PRODUCTS}/{id_}", json={"refresh_hz": 75})

    assert answer.status_code == 200
    (event,) = await waiting(stored, id_)
    assert (event.type, event.payload["version"], event.payload["price"]) == ("ProductChanged", 1, "10.10")


async def test_damaged_document_can_be_discontinued(client: httpx.AsyncClient, stored: Collection) -> None:
    async with unvalidated(stored):
        id_ = (await stored.insert_one({"kind": "sofa", "price": "much"})).inserted_id

    assert (await client.delete(f"{PRODUCTS}/{id_}")).status_code == 204

    (event,) = await waiting(stored, id_)
    assert EVENTS.payload_of(event) == ProductDiscontinued(product_id=str(id_), version=1)


async def test_products_that_nobody_announced_are_introduced_once(stored: Collection) -> None:
    """Demo data and old documents; two processes at once do it once, and the unreadable are left out."""
    await seed(stored)
    async with unvalidated(stored):
        await stored.insert_many([*old_documents(3), {"kind": "sofa", "sku": "SOFA"}])

    counts = await asyncio.gather(introduce(stored), introduce(stored))

    assert sum(counts) == 6
    assert await introduce(stored) == 0
    documents = await stored.find({"outbox": {"$exists": True}}).to_list(10)
    assert [len(one["outbox"]["pending"]) for one in documents] == [1] * 6


async def test_document_takes_no_more_changes_than_it_can_keep(
    client: httpx.AsyncClient, stored: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nobody publishes for long: the answer is 503, and nothing is written."""
    monkeypatch.setattr(announcing, "MOST_PENDING", 2)
    (shirt,) = await created(client, a_tshirt())
    address = f"{PRODUCTS}/{shirt['id']}"
    await client.patch(address, json={"name": "Second"})

    answers = [
        await client.patch(address, json={"name": "Third"}),
        await client.put(address, json=a_tshirt(name="Third")),
        await client.delete(address),
    ]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert "lab outbox" in answers[0].json()["detail"]
    assert (await client.get(address)).json()["name"] == "Second"


async def test_change_and_event_are_one_message_to_the_server() -> None:
    """There is no moment between them at which a process could die."""
    writes: list[str] = []

    class Watching(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None:
            if event.command_name in ("insert", "update", "findAndModify", "delete"):
                writes.append(event.command_name)

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

        def failed(self, event: monitoring.CommandFailedEvent) -> None: ...

    with EmbeddedMongo() as server:
        async with mongo_client(server.url, event_listeners=[Watching()]) as mongo:
            stored: Any = mongo["catalog"]["products"]
            (id_,) = await add_products(stored, 1)
            products = AnnouncingCatalogRepository(stored)
            await products.update(id_, {"price": to_bson(Decimal(1))})
            await products.replace(new_product(another_book(), id_=id_))
            await products.delete(id_)

    assert writes == ["insert", "findAndModify", "findAndModify", "update"]
