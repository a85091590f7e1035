"""The whole shop as one ASGI application: the only place where services are wired together.

Section:
    13.1, "One session per request"; 13.9, "One database per service"
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI
from sqlalchemy import MetaData

from lab_support.services.health import health_router
from lab_support.services.relational import owns_database
from lab_support.services.store import api as store_api
from lab_support.services.store.entities import StoreBase
from lab_support.services.web import new_app
from lab_support.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """Wire the services into one application, each mounted under its name.

    Nothing connects before its lifespan. `app.state.services` holds the mounted applications by name; a
    dependency is overridden on the one that uses it:
    `app.state.services["store"].dependency_overrides[get_session] = ...`.

    Args:
        settings: Where the data lives; by default read from the environment. Without `data` and
            `database_url` it is in a private folder that is deleted when the application stops.
    """
    settings = settings or Settings()
    services = {"store": create_store(settings)}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for service in services.values():
                await running.enter_async_context(service.router.lifespan_context(service))
            yield

    app = new_app("The shop", lifespan)
    app.state.services = services
    app.include_router(health_router(services))
    for name, service in services.items():
        app.mount(f"/{name}", service)
    return app


def create_store(settings: Settings, *, tables: MetaData = StoreBase.metadata) -> FastAPI:
    """Build the store as an application that can also run alone; `tables` are others in a rehearsal."""
    store = new_app("The store", owns_database("store", tables, settings))
    store.include_router(store_api.router)
    store_api.install_errors(store)
    return store


@asynccontextmanager
async def running_app(
    settings: Settings | None = None, *, app: FastAPI | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application inside this process, from start-up to shutdown, and give a client for it.

    Requests go through the whole application without a network. An error inside it comes back as the 500
    that a server would send.

    Args:
        settings: For a new application; see `create_app`.
        app: An application to run instead of a new one.

    Raises:
        ValueError: Both arguments were given.
        StartError: The data folder or the tables can't be made.
        DatabaseUnreachableError: A service's database does not answer.
        DatabaseUrlError: A database URL is unusable.
    """
    if app is not None and settings is not None:
        raise ValueError("Give running_app either settings or an app that has its own, not both.")
    app = app or create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            yield client
