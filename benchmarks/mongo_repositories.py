"""What a repository over MongoDB costs beside bare Motor, sending the same messages to the embedded server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from bson import Decimal128
from pymongo import ReturnDocument

from benchmarks.ratios import Ratio, compare
from lab_support.documents.client import mongo_client
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.documents.times import bson_now
from lab_support.documents.types import Collection, Document
from lab_support.services.store.entities import Product
from lab_support.services.store.repository import ProductSearch
from lab_support.services.store.repository.mongo import MongoProductRepository

DOCUMENTS = 1000


def ratios() -> list[Ratio]:
    """Measure all of it."""
    return asyncio.run(_ratios())


async def _ratios() -> list[Ratio]:
    async with _products() as collection:
        return [*await repository_beside_motor(collection), *await long_list_beside_short(collection)]


async def repository_beside_motor(collection: Collection) -> list[Ratio]:
    """Send the same messages through the repository and without one."""
    products = MongoProductRepository(collection)

    async def bare_update() -> object:
        change = {"$set": {"stock": 4, "updated_at": bson_now()}}
        return await collection.find_one_and_update(
            {"_id": 500}, change, return_document=ReturnDocument.AFTER
        )

    async def bare_create() -> object:
        counters: Collection = collection.database["counters"]
        counter: Any = await counters.find_one_and_update(
            {"_id": "bare"}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        bare: Collection = collection.database["bare"]
        return await bare.insert_one(_document(counter["last"]))

    async def create() -> object:
        return await products.create(Product(name="lamp", price=Decimal("9.90"), stock=3))

    return [
        await compare(
            "Mongo repository : bare Motor, get one",
            lambda: products.get_by_id(500),
            lambda: collection.find_one({"_id": 500}),
            limit=1.2,
            each=100,
        ),
        await compare(
            "Mongo repository : bare Motor, update one",
            lambda: products.update(500, {"stock": 4}),
            bare_update,
            limit=1.2,
            each=60,
        ),
        await compare("Mongo repository : bare Motor, create one", create, bare_create, limit=1.2, each=60),
    ]


async def long_list_beside_short(collection: Collection) -> list[Ratio]:
    """List a thousand products at once, and a hundred ten times: a list is linear."""
    products = MongoProductRepository(collection)

    async def ten_short() -> None:
        for start in range(0, DOCUMENTS, 100):
            await products.page(ProductSearch(), after=start, limit=100)

    return [
        await compare(
            "list of 1,000 documents : ten pages of 100",
            lambda: products.page(ProductSearch(), limit=DOCUMENTS),
            ten_short,
            limit=1.2,
        )
    ]


@asynccontextmanager
async def _products() -> AsyncIterator[Collection]:
    with EmbeddedMongo() as server:
        async with mongo_client(server.url) as client:
            collection: Collection = client["bench"]["products"]
            await collection.insert_many([_document(number) for number in range(1, DOCUMENTS + 1)])
            await client["bench"]["counters"].insert_one({"_id": "products", "last": DOCUMENTS})
            yield collection


def _document(number: int) -> Document:
    now = bson_now()
    return {
        "_id": number,
        "name": "lamp",
        "price": Decimal128("9.90"),
        "stock": 3,
        "is_available": True,
        "category": "lamps",
        "description": None,
        "supplier_cost": None,
        "created_at": now,
        "updated_at": now,
    }
