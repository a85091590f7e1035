"""The split shop: which services it consists of, and what each of them consists of.

Section:
    13.5, "One shop, several databases"; 13.9, "One database per service, by URL"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import Bus, InboxMixin, OutboxMixin
from lab_support.sagas import CompensationMixin
from lab_support.services.customers import api as customers_api
from lab_support.services.customers import entities as customers
from lab_support.services.customers.participation import participate as customers_participate
from lab_support.services.customers.seed import seed as customers_seed
from lab_support.services.gateway import api as gateway_api
from lab_support.services.gateway import entities as gateway
from lab_support.services.gateway.participation import participate as gateway_participate
from lab_support.services.gateway.seed import seed as gateway_seed
from lab_support.services.housekeeping import Chore, ForgetKeys, clean_inbox, clean_keys
from lab_support.services.inventory import api as inventory_api
from lab_support.services.inventory import entities as inventory
from lab_support.services.inventory.participation import participate as inventory_participate
from lab_support.services.inventory.seed import seed as inventory_seed
from lab_support.services.orders import api as orders_api
from lab_support.services.orders import entities as orders
from lab_support.services.orders.idempotency import forget_keys as orders_forget_keys
from lab_support.services.orders.participation import participate as orders_participate
from lab_support.services.orders.seed import seed as orders_seed
from lab_support.services.participant import Around, Participant
from lab_support.services.payments import api as payments_api
from lab_support.services.payments import entities as payments
from lab_support.services.payments.participation import participate as payments_participate
from lab_support.services.payments.seed import seed as payments_seed
from lab_support.services.payments.simulated_provider import SimulatedProvider
from lab_support.settings import Settings

Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a service is wired to.

    Attributes:
        sessions: On its own database.
        bus: The one that all share.
        settings: The application's.
        folder: Where files may be kept.
        around: Clock, waits and chance.
    """

    sessions: Sessions
    bus: Bus
    settings: Settings
    folder: Path
    around: Around


Part = Callable[[Surroundings], AbstractAsyncContextManager[Participant]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitService:
    """One service of the split shop, and everything the wiring needs of it.

    Attributes:
        name: Also its SQLite file, `<name>.db`, and its setting, `LAB_<NAME>_URL`.
        paths: What it answers over HTTP.
        tables: Its own, outbox and inbox included.
        part: Opens what it needs and makes its part in the conversation.
        seed: Fills empty tables with demo data.
        tasks: Its compensations; None when it has none.
        forget_keys: Deletes its old idempotency keys, if it has any.
    """

    name: str
    paths: tuple[str, ...]
    tables: MetaData
    outbox: type[OutboxMixin]
    inbox: type[InboxMixin]
    router: APIRouter
    install_errors: Callable[[FastAPI], None]
    part: Part
    seed: Callable[[Sessions], Awaitable[Any]]
    tasks: type[CompensationMixin] | None = None
    forget_keys: ForgetKeys | None = None

    def chores(self, sessions: Sessions) -> list[Chore]:
        """What the housekeeper does in its database."""
        keys = [] if self.forget_keys is None else [clean_keys(sessions, self.forget_keys)]
        return [clean_inbox(sessions, self.inbox), *keys]


def _plainly(participate: Callable[..., Participant]) -> Part:
    """A service that needs nothing of its own but sessions and bus."""

    @asynccontextmanager
    async def part(near: Surroundings) -> AsyncIterator[Participant]:
        yield participate(near.sessions, near.bus, settings=near.settings, around=near.around)

    return part


@asynccontextmanager
async def _with_provider(near: Surroundings) -> AsyncIterator[Participant]:
    """Payments calls a provider, whose ledger is a file of its own beside the data."""
    provider = SimulatedProvider(near.folder / "provider.db", seed=near.settings.provider_seed)
    async with provider:
        yield payments_participate(near.sessions, near.bus, provider=provider, around=near.around)


ALL: Final[tuple[SplitService, ...]] = (
    SplitService(
        name="orders",
        paths=("/orders", "/prices"),
        tables=orders.OrdersBase.metadata,
        outbox=orders.OutboxMessage,
        inbox=orders.InboxMessage,
        router=orders_api.router,
        install_errors=orders_api.install_errors,
        part=_plainly(orders_participate),
        seed=orders_seed,
        forget_keys=orders_forget_keys,
    ),
    SplitService(
        name="customers",
        paths=("/customers",),
        tables=customers.CustomersBase.metadata,
        outbox=customers.OutboxMessage,
        inbox=customers.InboxMessage,
        router=customers_api.router,
        install_errors=customers_api.install_errors,
        part=_plainly(customers_participate),
        seed=customers_seed,
        tasks=customers.CompensationTask,
    ),
    SplitService(
        name="payments",
        paths=("/payments",),
        tables=payments.PaymentsBase.metadata,
        outbox=payments.OutboxMessage,
        inbox=payments.InboxMessage,
        router=payments_api.router,
        install_errors=payments_api.install_errors,
        part=_with_provider,
        seed=payments_seed,
        tasks=payments.CompensationTask,
    ),
    SplitService(
        name="inventory",
        paths=("/inventory",),
        tables=inventory.InventoryBase.metadata,
        outbox=inventory.OutboxMessage,
        inbox=inventory.InboxMessage,
        router=inventory_api.router,
        install_errors=inventory_api.install_errors,
        part=_plainly(inventory_participate),
        seed=inventory_seed,
        tasks=inventory.CompensationTask,
    ),
)
NAMES: Final = tuple(one.name for one in ALL)
GATEWAY: Final = SplitService(
    name="gateway",
    paths=("/shop",),
    tables=gateway.GatewayBase.metadata,
    outbox=gateway.OutboxMessage,
    inbox=gateway.InboxMessage,
    router=gateway_api.router,
    install_errors=gateway_api.install_errors,
    part=_plainly(gateway_participate),
    seed=gateway_seed,
)
"""It listens to all of them, and takes no part in what they do together."""


class UnknownServiceError(ValueError):
    """Nobody runs a service of this name."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(f"There is no service '{name}'. The shop has: {', '.join(known)}.")
        self.name = name


def split_service(name: str) -> SplitService:
    """Find a service of the split shop.

    Raises:
        UnknownServiceError: There is none of this name.
    """
    for one in (*ALL, GATEWAY):
        if one.name == name:
            return one
    raise UnknownServiceError(name, (*NAMES, GATEWAY.name))
