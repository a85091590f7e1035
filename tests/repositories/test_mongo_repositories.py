"""Products as documents under the contract of 13.3, through both drivers; then what this repository adds to it."""

from collections.abc import AsyncIterator

import pytest

from lab_support.documents.client import mongo_client
from lab_support.documents.types import Client, Collection
from lab_support.services.store.repository import ProductRepository
from lab_support.services.store.repository.mongo import MongoProductRepository
from tests.documents.databases import DRIVERS, fresh_database
from tests.repositories.contract import ProductRepositoryContract


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
