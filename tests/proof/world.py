"""The four services of the split shop in one process, without HTTP and without tasks: every turn is taken by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import MetaData, Row, Table, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database import build_engine, create_tables, session_factory
from lab_support.messaging import RelaySettings
from lab_support.services.customers import participation as customers
from lab_support.services.customers.entities import CustomersBase
from lab_support.services.inventory import participation as inventory
from lab_support.services.inventory.entities import InventoryBase
from lab_support.services.orders import participation as orders
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.dtos import OrderLineCreate
from lab_support.services.orders.entities import OrdersBase
from lab_support.services.participant import Around, Participant
from lab_support.services.payments import participation as payments
from lab_support.services.payments.entities import PaymentsBase
from lab_support.services.payments.simulated_provider import Odds, SimulatedProvider
from lab_support.services.split import ALL, NAMES
from lab_support.services.vocabulary import Coordination, PayBy
from lab_support.settings import Settings

TABLES: Final[Mapping[str, MetaData]] = MappingProxyType(
    {
        "orders": OrdersBase.metadata,
        "customers": CustomersBase.metadata,
        "payments": PaymentsBase.metadata,
        "inventory": InventoryBase.metadata,
    }
)
STOCK: Final = MappingProxyType({"DESK-1": 3, "LAMP-7": 4})
"""Less than the demo data have, so that orders get into each other's way."""


_OUTBOX: Final = "(SELECT count(*) FROM outbox WHERE published_at IS NULL)"
_TASKS: Final = "(SELECT count(*) FROM compensations WHERE status = 'OPEN')"
_CHARGES: Final = "(SELECT count(*) FROM payments WHERE status = 'REQUESTED')"
_WAITING: Final = (
    "(SELECT count(*) FROM orders LEFT JOIN sagas ON sagas.saga_id = orders.saga_id "
    "WHERE coalesce(sagas.status, '') <> 'REQUIRES_REVIEW' AND (orders.status IN ('PENDING', 'PENDING_PAYMENT') "
    "OR sagas.status IN ('RUNNING', 'COMPENSATING')))"
)
_NEEDS: Final = MappingProxyType(
    {
        "orders": f"SELECT {_OUTBOX}, {_WAITING}",
        "customers": f"SELECT {_OUTBOX}, {_TASKS}",
        "payments": f"SELECT {_OUTBOX}, {_TASKS} + {_CHARGES}",
        "inventory": f"SELECT {_OUTBOX}, {_TASKS}",
    }
)
LOOKS: Final = frozenset(_NEEDS.values())
"""Statements of the test itself."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a service has still to do: rows to publish, and work that is due now or later."""

    outbox: int
    work: int

    @property
    def any(self) -> bool:
        return bool(self.outbox or self.work)


class Clock:
    """A clock that stands still until it is moved, in either direction."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class World:
    """All that a crash destroys (services, relays, workers, bus objects), on all that it does not (databases, log)."""

    def __init__(
        self,
        urls: Mapping[str, str],
        folder: Path,
        open_bus: Callable[[], Any],
        *,
        random: Random,
        provider_seed: int | None = None,
        odds: Odds | None = None,
        order_deadline_s: float = 30.0,
    ) -> None:
        self.settings = Settings().model_copy(update={"order_deadline_s": order_deadline_s})
        self.engines: dict[str, AsyncEngine] = {name: build_engine(url) for name, url in urls.items()}
        self.provider = SimulatedProvider(folder / "provider.db", seed=provider_seed, odds=odds)
        self.clock, self.random, self.open_bus = Clock(), random, open_bus
        self.slept: list[float] = []
        self.bus: Any = None
        self.parts: dict[str, Participant] = {}
        self.subscriptions: list[Any] = []
        self.desks: dict[Coordination, Desk] = {}
        self._needs: dict[str, Needs] = {}
        self._silent: set[int] = set()

    async def create(self) -> None:
        """Make tables and demo data, and the provider's ledger."""
        for one in ALL:
            await create_tables(self.engines[one.name], one.tables)
            await one.seed(session_factory(self.engines[one.name]))
        stock = self.table("inventory", "stock")
        async with self.engines["inventory"].begin() as connection:
            for sku, available in STOCK.items():
                await connection.execute(update(stock).where(stock.c.sku == sku).values(available=available))
        async with self.provider:
            pass

    async def start(self) -> None:
        """Build every object of the four services anew."""
        await self.provider.__aenter__()
        self.bus = self.open_bus()
        if hasattr(self.bus, "__aenter__"):
            await self.bus.__aenter__()
        self._silent.clear()
        around = Around(
            clock=self.clock, sleep=self._sleep, random=self.random.random, relay=RelaySettings(batch=20)
        )
        for coordination in ("choreography", "orchestration"):
            told = self.settings.model_copy(update={"coordination": coordination})
            sessions = session_factory(self.engines["orders"])
            self.desks[coordination] = Desk.of(sessions, settings=told, around=around)  # type: ignore[index]
        self.parts = {name: self._participant(name, around) for name in NAMES}
        self.subscriptions = [
            self.bus.subscribe(one.topic, one.group, one.handler)
            for part in self.parts.values()
            for one in part.listeners
        ]

    async def stop(self) -> None:
        """Let go of every object and close every connection; nothing is handed over."""
        if hasattr(self.bus, "__aexit__"):
            await self.bus.__aexit__(None, None, None)
        await self.provider.__aexit__(None, None, None)
        for engine in self.engines.values():
            await engine.dispose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def begin_anew(self, random: Random, open_bus: Callable[[], Any]) -> None:
        """Take the databases for those of another life, which has a clock and luck of its own."""
        self.clock, self.random, self.open_bus = Clock(), random, open_bus
        self.slept.clear()
        self._needs.clear()

    def sessions(self, service: str) -> async_sessionmaker[AsyncSession]:
        return session_factory(self.engines[service])

    async def place(
        self,
        coordination: Coordination,
        pay_by: PayBy,
        customer_id: str,
        items: Mapping[str, int],
        key: str | None = None,
    ) -> UUID:
        """Order as a client would."""
        lines = [OrderLineCreate(sku=sku, quantity=pieces) for sku, pieces in items.items()]
        self.touch("orders")
        taken = await self.desks[coordination].orders.place_order(
            customer_id, pay_by, lines, idempotency_key=key
        )
        return taken.order_id

    async def rows(self, service: str, *tables: str) -> list[Sequence[Row[Any]]]:
        """Read whole tables of one service, from outside, in one transaction."""
        async with self.engines[service].connect() as connection:
            return [(await connection.execute(select(self.table(service, one)))).all() for one in tables]

    async def needs(self, service: str) -> Needs:
        """Tell what a service has still to do; asked once after each `touch`."""
        if service not in self._needs:
            async with self.engines[service].connect() as connection:
                self._needs[service] = Needs(*(await connection.exec_driver_sql(_NEEDS[service])).one())
        return self._needs[service]

    def touch(self, service: str) -> None:
        """Note that a service did something, or may have."""
        self._needs.pop(service, None)

    async def mail(self, subscription: Any, *, limit: int) -> list[str]:
        """Have a group's messages delivered, unless nothing was published since it had none: an empty look costs."""
        woken = getattr(subscription, "woken", None)
        if woken is not None and not woken.is_set() and id(subscription) in self._silent:
            return []
        if woken is not None:
            woken.clear()
        outcomes: list[str] = await subscription.deliver(limit=limit)
        if not outcomes:
            self._silent.add(id(subscription))
        return outcomes

    def touched(self, service: str) -> bool:
        """Tell whether it did something, or may have, since somebody asked for its needs."""
        return service not in self._needs

    async def waiting(self) -> dict[str, Needs]:
        """Tell which services have not ended, and what they have to do; a review waits for a person, not for time."""
        return {name: needs for name in NAMES if (needs := await self.needs(name)).any}

    @staticmethod
    def table(service: str, name: str) -> Table:
        return TABLES[service].tables[name]

    def _participant(self, name: str, around: Around) -> Participant:
        sessions = session_factory(self.engines[name])
        if name == "payments":
            return payments.participate(sessions, self.bus, provider=self.provider, around=around)
        participate = {"orders": orders, "customers": customers, "inventory": inventory}[name].participate
        return participate(sessions, self.bus, settings=self.settings, around=around)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
