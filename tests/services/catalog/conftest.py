"""The catalogue alone, as a bare application, on the embedded server or that of LAB_MONGODB_URL, through each driver.

One application runs for a module's tests; each test finds the collection empty.
"""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from lab_support.documents.types import Collection
from lab_support.services.catalog import api
from lab_support.services.catalog.entities import COLLECTION
from lab_support.services.catalog.lifespan import owns_documents
from lab_support.services.web import new_app
from lab_support.settings import Settings
from tests.documents.databases import DRIVERS, mongo_url  # noqa: F401 - a fixture


def catalog_app(settings: Settings) -> FastAPI:
    app = new_app("The catalogue", owns_documents(settings))
    app.include_router(api.router)
    api.install_errors(app)
    return app


def client_for(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://lab")


@pytest.fixture(scope="module", params=DRIVERS)
async def app(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[FastAPI]:  # noqa: F811
    url = f"{mongo_url.rstrip('/')}/test_{uuid4().hex}"
    app = catalog_app(Settings(mongodb_url=SecretStr(url), mongodb_driver=request.param, demo_data=False))
    async with app.router.lifespan_context(app):
        yield app
        await app.state.documents.client.drop_database(app.state.documents.name)


@pytest.fixture
async def stored(app: FastAPI) -> Collection:
    """Give the empty collection behind the application."""
    collection: Collection = app.state.documents[COLLECTION]
    await collection.delete_many({})
    return collection


@pytest.fixture
async def client(app: FastAPI, stored: Collection) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for(app) as client:
        yield client
