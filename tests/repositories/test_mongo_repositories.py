"""Products as documents under the contract of 13.3, through both drivers; then what this repository adds to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest
from bson import Decimal128
from pymongo.errors import DuplicateKeyError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from lab_support.documents.client import mongo_client
from lab_support.documents.types import Client, Collection
from lab_support.repositories import DuplicateError
from lab_support.services.store.repository import ProductRepository, ProductSearch
from lab_support.services.store.repository.mongo import MongoProductRepository
from tests.documents.databases import DRIVERS, fresh_database
from tests.repositories.contract import ProductRepositoryContract, a_product


@pytest.fixture(scope="module", params=DRIVERS)
async def client(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[Client]:
    async with mongo_client(mongo_url, driver=request.param) as client:
        yield client


@pytest.fixture
async def collection(client: Client) -> AsyncIterator[Collection]:
    async with fresh_database(client) as database:
        yield database["products"]


class TestMongo(ProductRepositoryContract):
    """On the embedded server, or on that of LAB_MONGODB_URL."""

    @pytest.fixture
    def products(self, collection: Collection) -> ProductRepository:
        return MongoProductRepository(collection)


async def test_ids_made_at_the_same_moment_differ(collection: Collection) -> None:
    """The counter is one document, incremented by the server, and made by the first who needs it."""
    products = MongoProductRepository(collection)

    made = await asyncio.gather(*(products.create(a_product()) for _ in range(20)))

    assert sorted(product.id for product in made) == list(range(1, 21))


async def test_id_that_is_taken_is_refused_by_name(collection: Collection) -> None:
    """The driver's error is its cause."""
    products = MongoProductRepository(collection)
    await products.create(a_product(id=7))

    with pytest.raises(DuplicateError, match="Product") as caught:
        await products.create(a_product(id=7))

    assert isinstance(caught.value.__cause__, DuplicateKeyError)


async def test_money_and_times_have_the_types_of_bson(collection: Collection) -> None:
    """Prices are decimals with two places, and times are dates: the server can compare both."""
    products = MongoProductRepository(collection)
    created = await products.create(a_product(price=Decimal("1.5"), supplier_cost=None))
    await products.update(created.id, {"supplier_cost": Decimal(1)})

    document = await collection.find_one({"_id": created.id})

    assert document is not None
    assert (document["price"], document["supplier_cost"]) == (Decimal128("1.50"), Decimal128("1.00"))
    assert document["created_at"] == created.created_at
    assert await collection.count_documents({"updated_at": {"$type": "date"}}) == 1


async def test_update_shows_what_others_have_changed(collection: Collection) -> None:
    """One step sets and reads: nobody's change is overwritten, and none is missing from the answer."""
    products = MongoProductRepository(collection)
    id_ = (await products.create(a_product())).id

    await asyncio.gather(
        products.update(id_, {"stock": 9}),
        products.update(id_, {"price": Decimal("1.00")}),
        products.update(id_, {"description": "Brass"}),
    )

    found = await products.get_by_id(id_)
    assert found is not None
    assert (found.stock, found.price, found.description) == (9, Decimal("1.00"), "Brass")


async def test_each_question_is_one_message(mongo_url: str) -> None:
    """Counted by the driver; a new product costs two, because its number is taken first."""
    counted = Counted()
    costs = {}
    async with (
        mongo_client(mongo_url, driver="pymongo", event_listeners=[counted]) as client,
        fresh_database(client) as database,
    ):
        products = MongoProductRepository(database["products"])
        questions: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: products.create(a_product()),
            "get": lambda: products.get_by_id(1),
            "get by name": lambda: products.get_by_name("Desk lamp"),
            "find": lambda: products.find(ProductSearch(min_price=Decimal(1))),
            "page": lambda: products.page(ProductSearch()),
            "update": lambda: products.update(1, {"stock": 1}),
            "update nothing": lambda: products.update(1, {}),
            "delete": lambda: products.delete(1),
            "impossible": lambda: products.get_by_id(2**70),
        }
        for name, ask in questions.items():
            counted.names.clear()
            await ask()
            costs[name] = list(counted.names)

    assert costs == {
        "create": ["findAndModify", "insert"],
        "get": ["find"],
        "get by name": ["find"],
        "find": ["find"],
        "page": ["find"],
        "update": ["findAndModify"],
        "update nothing": ["find"],
        "delete": ["delete"],
        "impossible": [],
    }


class Counted(CommandListener):
    """Remembers the names of the commands that were sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...
