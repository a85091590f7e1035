"""Documents that no request of today would write: of older versions, damaged, or changed by others meanwhile."""

import asyncio
from typing import Any, Literal

import httpx
import pytest
from bson import Decimal128, ObjectId

from lab_support.documents.backfill import backfill
from lab_support.documents.types import Collection
from lab_support.services.catalog.dtos import ProductPatch
from lab_support.services.catalog.entities import VALIDATOR, StoredProduct
from lab_support.services.catalog.mapping import CHANGEABLE
from lab_support.services.catalog.seed import old_documents
from lab_support.services.catalog.upcasting import CURRENT, UPCASTERS
from tests.services.catalog.examples import PRODUCTS, a_tshirt, created, unvalidated

DAMAGED: tuple[dict[str, Any], ...] = (
    {"kind": "sofa"},
    {"kind": None},
    {"price": "on request"},
    {"price": None},
    {"size": 3},
    {"schema_version": 9},
    {"schema_version": "3"},
    {"updated_at": "yesterday, late"},
)


async def insert(stored: Collection, *documents: dict[str, Any]) -> list[ObjectId]:
    async with unvalidated(stored):
        return list((await stored.insert_many([dict(one) for one in documents])).inserted_ids)


async def a_damaged(client: httpx.AsyncClient, stored: Collection, damage: dict[str, Any]) -> str:
    (shirt,) = await created(client, a_tshirt(sku="TEE-9"))
    async with unvalidated(stored):
        await stored.update_one({"_id": ObjectId(shirt["id"])}, {"$set": damage})
    return str(shirt["id"])


async def test_old_documents_are_shown_as_of_today(client: httpx.AsyncClient, stored: Collection) -> None:
    """Whichever version wrote them; a double is read as the amount that was meant."""
    await insert(stored, *old_documents(6))

    page = (await client.get(PRODUCTS)).json()

    assert page["unreadable"] == []
    assert [one["price"] for one in page["items"]] == [f"{10 + count}.10" for count in range(6)]
    monitor, book, shirt = page["items"][:3]
    assert monitor["resolution"] == {"width": 1920, "height": 1080}
    assert book["authors"] == ["Somebody"]
    assert shirt["name"] == "Old 2"


async def test_reading_writes_nothing(client: httpx.AsyncClient, stored: Collection) -> None:
    """After a list and a look the documents are as old as before."""
    ids = await insert(stored, *old_documents(3))
    before = [document async for document in stored.find({}).sort("_id", 1)]

    await client.get(PRODUCTS)
    await client.get(f"{PRODUCTS}/{ids[0]}")

    assert [document async for document in stored.find({}).sort("_id", 1)] == before


async def test_patch_brings_an_old_document_up(client: httpx.AsyncClient, stored: Collection) -> None:
    """It becomes one of today as a whole, and keeps what nobody knows."""
    (id_,) = await insert(stored, old_documents(1)[0])

    answer = await client.patch(f"{PRODUCTS}/{id_}", json={"refresh_hz": 75})

    assert answer.status_code == 200
    document = await stored.find_one({"_id": id_})
    assert document is not None
    assert (document["schema_version"], document["refresh_hz"], document["stand"]) == (CURRENT, 75, "wooden")
    assert document["resolution"] == {"width": 1920, "height": 1080}
    assert "title" not in document


async def test_patches_at_the_same_moment_all_count(client: httpx.AsyncClient, stored: Collection) -> None:
    """Of an old document, too: whoever brings it up first, no field of another's is lost."""
    (id_,) = await insert(stored, old_documents(1)[0])
    changes: list[dict[str, Any]] = [
        {"refresh_hz": 75},
        {"name": "New"},
        {"price": "1.00"},
        {"description": "x"},
    ]

    answers = await asyncio.gather(*(client.patch(f"{PRODUCTS}/{id_}", json=change) for change in changes))

    assert [answer.status_code for answer in answers] == [200] * 4
    shown = (await client.get(f"{PRODUCTS}/{id_}")).json()
    assert {name: shown[name] for change in changes for name in change} == {
        name: value for change in changes for name, value in change.items()
    }


@pytest.mark.parametrize("damage", DAMAGED, ids=repr)
async def test_damaged_document_does_not_hide_the_others(
    client: httpx.AsyncClient, stored: Collection, damage: dict[str, Any]
) -> None:
    """A list names it, and shows the products around it."""
    await created(client, a_tshirt(sku="TEE-1"))
    id_ = await a_damaged(client, stored, damage)
    await created(client, a_tshirt(sku="TEE-2"))

    page = (await client.get(PRODUCTS)).json()

    assert [one["sku"] for one in page["items"]] == ["TEE-1", "TEE-2"]
    assert page["unreadable"] == [id_]


@pytest.mark.parametrize("damage", DAMAGED, ids=repr)
async def test_damaged_document_is_said_to_be_one_and_can_be_mended(
    client: httpx.AsyncClient, stored: Collection, damage: dict[str, Any]
) -> None:
    """The answer names the field and no value; PUT writes the product anew."""
    address = f"{PRODUCTS}/{await a_damaged(client, stored, damage)}"

    answer = await client.get(address)

    assert answer.status_code == 500
    assert str(next(iter(damage))) in answer.json()["detail"]
    assert (await client.put(address, json=a_tshirt(sku="TEE-9"))).status_code == 200
    assert (await client.get(address)).status_code == 200


async def test_backfill_brings_all_up_and_finds_nothing_the_second_time(stored: Collection) -> None:
    """Products are the same to a reader before and after, and every one fits the validator."""
    await insert(stored, *old_documents(7))
    told: list[tuple[int, int]] = []

    first = await backfill(stored, UPCASTERS, batch_size=3, progress=lambda *so_far: told.append(so_far))
    second = await backfill(stored, UPCASTERS)

    assert (first.changed, first.overtaken, first.failed) == (7, 0, {})
    assert told == [(0, 7), (3, 7), (6, 7), (7, 7)]
    assert (second.changed, second.failed) == (0, {})
    assert await stored.count_documents({"schema_version": CURRENT, "price": {"$type": "decimal"}}) == 7


async def test_backfill_that_is_broken_off_goes_on(stored: Collection) -> None:
    """What was written stays written; the rest is done by the next run."""
    await insert(stored, *old_documents(7))

    class CutError(Exception):
        pass

    def cut(seen: int, _total: int) -> None:
        if seen == 4:
            raise CutError

    with pytest.raises(CutError):
        await backfill(stored, UPCASTERS, batch_size=2, progress=cut)
    rest = await backfill(stored, UPCASTERS, batch_size=2)

    assert rest.changed == 3
    assert await stored.count_documents(UPCASTERS.outdated()) == 0


async def test_backfill_keeps_what_others_change_meanwhile(stored: Collection) -> None:
    """Another field keeps its change; a document whose own field was changed is left to the next run."""
    one, two = await insert(stored, *old_documents(2))
    changed = False

    async def meanwhile() -> None:
        await stored.update_one({"_id": one}, {"$set": {"stand": "steel"}})
        await stored.update_one({"_id": two}, {"$set": {"price": Decimal128("1.00"), "author": "Else"}})

    original = stored.bulk_write

    class Watched:
        """The collection, with somebody who writes between its reading and its writing."""

        def __getattr__(self, name: str) -> Any:
            return getattr(stored, name)

        async def bulk_write(self, *arguments: Any, **options: Any) -> Any:
            nonlocal changed
            if not changed:
                changed = True
                await meanwhile()
            return await original(*arguments, **options)

    watched: Any = Watched()
    report = await backfill(watched, UPCASTERS)
    again = await backfill(stored, UPCASTERS)

    assert (report.changed, report.overtaken, again.changed) == (1, 1, 1)
    first, second = await stored.find_one({"_id": one}), await stored.find_one({"_id": two})
    assert first is not None
    assert second is not None
    assert (first["stand"], first["schema_version"]) == ("steel", CURRENT)
    assert (second["price"], second["authors"]) == (Decimal128("1.00"), ["Else"])


async def test_backfill_reports_what_it_cannot_bring_up(stored: Collection) -> None:
    """A document of a newer version stays as it is, and holds up nobody."""
    newer, _ = await insert(stored, {"sku": "X", "schema_version": 9}, old_documents(1)[0])

    report = await backfill(stored, UPCASTERS)

    assert report.changed == 1
    assert list(report.failed) == [newer]
    assert "UnknownVersionError" in report.failed[newer]


def test_models_describe_the_current_version() -> None:
    """A new step of the upcasters needs new models, and a new validator with them."""
    assert StoredProduct.model_fields["schema_version"].annotation == Literal[CURRENT]


def test_patch_names_every_field_of_every_kind() -> None:
    """A field added to a kind and forgotten in the patch could never be changed."""
    assert set(ProductPatch.model_fields) == CHANGEABLE


async def test_validator_refuses_what_the_application_would(stored: Collection) -> None:
    """Whoever writes around the application meets the same rules."""
    from pymongo.errors import WriteError

    for document in (old_documents(1)[0], {"kind": "sofa"}, {}):
        with pytest.raises(WriteError) as caught:
            await stored.insert_one(document)
        assert caught.value.code == 121
    assert VALIDATOR.level == "moderate"
