"""The whole shop as one ASGI application: the only place where services are wired together.

Section:
    13.1, "One session per request"; 13.5, "One shop, several databases"; 13.9, "One database per service, by URL"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from sqlalchemy import MetaData

from lab_support.messaging import Bus
from lab_support.pools.deadline_middleware import DeadlineMiddleware
from lab_support.services.acting import ActsAs, acting_as, as_service
from lab_support.services.gateway.lifespan import asks_neighbours
from lab_support.services.health import health_router
from lab_support.services.housekeeping import Housekeeper, clean_bus
from lab_support.services.metrics import add_metrics
from lab_support.services.own_paths import OwnPaths
from lab_support.services.participant import Around, Participant
from lab_support.services.reach import bus_of
from lab_support.services.relational import data_folder, owns_database, pool_settings
from lab_support.services.room import refuse_overbooking
from lab_support.services.split import ALL as SPLIT
from lab_support.services.split import GATEWAY, NAMES, SplitService, Surroundings, UnknownServiceError
from lab_support.services.store import api as store_api
from lab_support.services.store.entities import StoreBase
from lab_support.services.web import new_app
from lab_support.settings import Settings

CATALOG_PATH = "/catalog"
EVERY_SERVICE = ("store", *NAMES, "catalog", GATEWAY.name)


def create_app(
    settings: Settings | None = None,
    *,
    only: Collection[str] = EVERY_SERVICE,
    around: Around | None = None,
) -> FastAPI:
    """Wire the services into one application: the store below /store, each other one at its own paths.

    Nothing connects before its lifespan. `app.state.services` holds the services' applications by name; a
    dependency is overridden on the one that uses it:
    `app.state.services["store"].dependency_overrides[get_session] = ...`. Those that take part in sagas share
    one bus, `app.state.bus`, and publish, listen and compensate while the application runs.

    Args:
        settings: Where the data lives; by default read from the environment. Without `data` and URLs it is in
            a private folder that is deleted when the application stops.
        only: The names of the services to run; the others run elsewhere, on the same bus, or not at all.
        around: Clock, sleep, randomness and relay settings of the services that take part in sagas.

    Raises:
        UnknownServiceError: `only` names a service that does not exist.
    """
    settings = settings or Settings()
    for name in only:
        if name not in EVERY_SERVICE:
            raise UnknownServiceError(name, EVERY_SERVICE)
    split = [one for one in SPLIT if one.name in only]
    services = {"store": create_store(settings)} if "store" in only else {}
    services |= {one.name: _create_split(one, settings) for one in split}
    services |= {"catalog": create_catalog(settings)} if "catalog" in only else {}
    if GATEWAY.name in only:
        services |= {GATEWAY.name: create_gateway(settings, services)}
        split.append(GATEWAY)
    for name, service in services.items():
        service.add_middleware(ActsAs, name=name)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            folder = running.enter_context(data_folder(settings))
            for name, service in services.items():
                service.state.settings = settings.model_copy(update={"data": folder})
                with acting_as(name):
                    await running.enter_async_context(service.router.lifespan_context(service))
            await refuse_overbooking(services, pool_settings(settings), settings.workers)
            if services.keys() - {"store"}:
                app.state.bus = await running.enter_async_context(
                    _conversation(split, services, folder, around or Around())
                )
                await running.enter_async_context(_housekeeper(split, services, app.state.bus).running())
            yield

    app = new_app("The shop", lifespan)
    app.state.services = services
    app.include_router(health_router(services))
    app.add_middleware(DeadlineMiddleware, longest_s=settings.request_limit_s)
    add_metrics(app, services, split)
    for one in split:
        app.router.routes.append(OwnPaths(services[one.name], one.paths))
    if "catalog" in services:
        app.router.routes.append(OwnPaths(services["catalog"], [CATALOG_PATH]))
    if "store" in services:
        app.mount("/store", services["store"])
    return app


def create_store(settings: Settings, *, tables: MetaData = StoreBase.metadata) -> FastAPI:
    """Build the store as an application that can also run alone; `tables` are others in a rehearsal."""
    store = new_app("The store", owns_database("store", tables, settings))
    store.include_router(store_api.router)
    store_api.install_errors(store)
    return store


def create_catalog(settings: Settings) -> FastAPI:
    """Build the catalogue, which keeps documents; MongoDB's driver is loaded only for it."""
    from lab_support.services.catalog import api
    from lab_support.services.catalog.lifespan import owns_documents

    catalog = new_app("The catalogue", owns_documents(settings), documented_at=CATALOG_PATH)
    catalog.include_router(api.router)
    api.install_errors(catalog)
    return catalog


def create_gateway(settings: Settings, here: Mapping[str, FastAPI]) -> FastAPI:
    """Build the gateway, which asks the services in this process, or at their addresses, over HTTP alone.

    Args:
        settings: Its database, the addresses and the limits.
        here: The applications in this process, by name.
    """
    database = owns_database(GATEWAY.name, GATEWAY.tables, settings)
    lifespan = asks_neighbours(settings, dict(here), database)
    gateway = new_app("The gateway", lifespan, documented_at=GATEWAY.paths[0])
    gateway.include_router(GATEWAY.router)
    GATEWAY.install_errors(gateway)
    return gateway


def _create_split(one: SplitService, settings: Settings) -> FastAPI:
    """Build a service of the split shop; its documentation is below its own first path."""
    app = new_app(
        one.name.capitalize(), owns_database(one.name, one.tables, settings), documented_at=one.paths[0]
    )
    app.include_router(one.router)
    one.install_errors(app)
    return app


@asynccontextmanager
async def _conversation(
    split: Sequence[SplitService], services: Mapping[str, FastAPI], folder: Path, around: Around
) -> AsyncIterator[Bus]:
    """Open the bus that the settings name, and let each service publish, listen and work while the block runs.

    The embedded bus is a file beside the data.
    """
    settings: Settings = next(iter(services.values())).state.settings
    async with AsyncExitStack() as running:
        bus = await running.enter_async_context(bus_of(settings, folder))
        parts = []
        for one in split:
            state = services[one.name].state
            near = Surroundings(
                sessions=state.sessions, bus=bus, settings=settings, folder=folder, around=around
            )
            with acting_as(one.name):
                state.participant = await running.enter_async_context(one.part(near))
            state.participant.subscribe(bus)
            state.around = around
            if settings.demo_data:
                await as_service(one.name, one.seed)(state.sessions)
            parts.append(state.participant)
        if "catalog" in services:
            parts.append(await _catalog_takes_part(services["catalog"], bus, around))
        await running.enter_async_context(bus.running())
        for part in parts:
            # Nobody else can open documents that are kept in this process.
            alone = part.name == "catalog" and settings.mongodb_url is None
            await running.enter_async_context(part.running(relaying=settings.relay or alone))
        yield bus


async def _catalog_takes_part(catalog: FastAPI, bus: Bus, around: Around) -> Participant:
    """Let the catalogue announce what it has and hear of orders."""
    from lab_support.services.catalog.entities import COLLECTION
    from lab_support.services.catalog.introducing import introduce
    from lab_support.services.catalog.participation import participate

    database = catalog.state.documents
    with acting_as("catalog"):
        part = participate(database, bus, around=around)
    await as_service("catalog", introduce)(database[COLLECTION])
    part.subscribe(bus)
    catalog.state.participant = part
    return part


def _housekeeper(split: Sequence[SplitService], services: Mapping[str, FastAPI], bus: Bus) -> Housekeeper:
    """Keep house for every service that runs here, and on the bus."""
    chores = [
        as_service(one.name, chore)
        for one in split
        for chore in one.chores(services[one.name].state.sessions)
    ]
    return Housekeeper([*chores, *clean_bus(bus)])


@asynccontextmanager
async def running_app(
    settings: Settings | None = None, *, app: FastAPI | None = None, only: Collection[str] = EVERY_SERVICE
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application inside this process, from start-up to shutdown, and give a client for it.

    Requests go through the whole application without a network. An error inside it comes back as the 500
    that a server would send.

    Args:
        settings: For a new application; see `create_app`.
        app: An application to run instead of a new one.
        only: The services of a new application; see `create_app`.

    Raises:
        ValueError: Both arguments were given.
        StartError: The data folder or the tables can't be made.
        BrokerUnavailableError: The broker of LAB_BUS_URL does not answer.
        DatabaseUnreachableError: A service's database does not answer.
        DatabaseUrlError: A database URL is unusable.
    """
    if app is not None and settings is not None:
        raise ValueError("Give running_app either settings or an app that has its own, not both.")
    app = app or create_app(settings, only=only)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            yield client
