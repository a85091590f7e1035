"""The split shop wired by hand: driven step by step, or run and watched, with its statements counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import (
    Trace,
    build_engine,
    create_tables,
    session_factory,
    trace_sql,
    unit_of_work,
    utc_now,
)
from lab_support.messaging import Consumer, EmbeddedBus, Event, Handler, Subscription
from lab_support.pools import PoolSettings
from lab_support.services.customers.entities import Customer
from lab_support.services.inventory.entities import Stock
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.dtos import OrderLineCreate
from lab_support.services.orders.entities import Price
from lab_support.services.orders.taking import Taking
from lab_support.services.participant import Around, Participant
from lab_support.services.split import ALL, Surroundings
from lab_support.services.vocabulary import Coordination
from lab_support.settings import Settings

SKUS = tuple(f"SKU-{number}" for number in range(10))
BUYERS = tuple(f"buyer-{number}" for number in range(50))
PRICE = Decimal("2.50")
RICH = Decimal("1000000000.00")
POOL = PoolSettings(size=5, max_overflow=0)


@dataclass
class Shop:
    """All services in this process, and the bus between them."""

    bus: EmbeddedBus
    engines: dict[str, AsyncEngine]
    parts: dict[str, Participant]
    desk: Desk
    subscriptions: list[Subscription] = field(default_factory=list)
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sessions = {name: session_factory(engine) for name, engine in self.engines.items()}

    async def order(self, number: int) -> UUID:
        """Place the n-th order on credit: one piece of one product."""
        items = [OrderLineCreate(sku=SKUS[number % len(SKUS)], quantity=1)]
        accepted = await self.desk.orders.place_order(BUYERS[number % len(BUYERS)], "credit", items)
        return accepted.order_id

    async def whole_order(self, number: int) -> None:
        """Place the n-th order and wait until its saga has done its last thing, the letter to the buyer."""
        order_id = str(await self.order(number))
        async with asyncio.timeout(60):
            await self.waiting.setdefault(order_id, asyncio.Event()).wait()
        del self.waiting[order_id]

    async def order_without_messaging(self, number: int) -> None:
        """Do what the n-th order makes all services do: the same transactions, handed on directly.

        There is no outbox, relay, bus or inbox. A crash in the middle would leave half of it.
        """
        items = {SKUS[number % len(SKUS)]: 1}
        taking = Taking(BUYERS[number % len(BUYERS)], "credit", items, "choreography", 30.0, self.desk.sagas)
        async with unit_of_work(self._sessions["orders"]) as uow:
            await taking.write(uow, utc_now())
            events = uow.announced
            await uow.commit()
        while events:
            event = events.pop(0)
            for consumer in self._consumers(event):
                async with unit_of_work(consumer.sessions) as uow:
                    await consumer.effect(uow, event, consumer.types.payload_of(event))
                    events += uow.announced
                    await uow.commit()

    def _consumers(self, event: Event) -> list[Consumer]:
        heard = [
            one.handler
            for part in self.parts.values()
            for one in part.listeners
            if one.topic == event.aggregate_type
        ]
        return [
            one for one in heard if isinstance(one, Consumer) and (one.only is None or event.type in one.only)
        ]

    async def settle(self) -> None:
        """Publish and deliver by hand until nothing moves any more."""
        moved = True
        while moved:
            moved = False
            for part in self.parts.values():
                moved |= bool(await part.relay.drain())
            for subscription in self.subscriptions:
                moved |= bool(await subscription.drain())

    @contextmanager
    def traced(self) -> Iterator[dict[str, Trace]]:
        """Record what each service sends to its database, and the bus to its file, while the block runs."""
        engines = {**self.engines, "bus": self.bus.log._engine}
        with ExitStack() as opened:
            yield {name: opened.enter_context(trace_sql(engine)) for name, engine in engines.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let relays, bus and workers run while the block does."""
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self.bus.running())
            for part in self.parts.values():
                await opened.enter_async_context(part.running())
            yield

    def tell_of_ends(self, consumer: Consumer) -> Handler:
        """Have the end of a saga told here: Customers has dealt with OrderApproved or OrderFailed."""
        return _Telling(consumer, self.waiting)


@dataclass(frozen=True)
class _Telling:
    """A consumer that says when it has dealt with the end of an order."""

    consumer: Consumer
    waiting: dict[str, asyncio.Event]

    async def __call__(self, event: Event) -> None:
        await self.consumer(event)
        self._tell([event])

    async def handle_batch(self, events: Sequence[Event]) -> None:
        await self.consumer.handle_batch(events)
        self._tell(events)

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.type in ("OrderApproved", "OrderFailed"):
                self.waiting.setdefault(event.aggregate_id, asyncio.Event()).set()


@asynccontextmanager
async def open_shop(
    folder: Path,
    *,
    urls: Mapping[str, str] | None = None,
    coordination: Coordination = "choreography",
) -> AsyncIterator[Shop]:
    """Open all services on their own databases, with buyers and products in plenty; nothing runs yet.

    Args:
        folder: Where the bus, and SQLite files, are kept.
        urls: Databases of the services that are no SQLite files.
        coordination: How new orders are coordinated.
    """
    settings, around = Settings(coordination=coordination), Around()
    async with AsyncExitStack() as opened:
        engines = {}
        for one in ALL:
            url = (urls or {}).get(one.name, f"sqlite:///{folder / one.name}.db")
            engines[one.name] = engine = build_engine(url, pool=POOL)
            opened.push_async_callback(engine.dispose)
            await create_tables(engine, one.tables)
        bus = await opened.enter_async_context(EmbeddedBus(folder / "bus.db"))
        parts = {}
        for one in ALL:
            near = Surroundings(
                sessions=session_factory(engines[one.name]),
                bus=bus,
                settings=settings,
                folder=folder,
                around=around,
            )
            parts[one.name] = await opened.enter_async_context(one.part(near))
        desk = Desk.of(session_factory(engines["orders"]), settings=settings, wake=parts["orders"].relay.wake)
        shop = Shop(bus, engines, parts, desk)
        for name, part in parts.items():
            for one in part.listeners:
                handler = one.handler
                if name == "customers" and isinstance(handler, Consumer):
                    handler = shop.tell_of_ends(handler)
                shop.subscriptions.append(bus.subscribe(one.topic, one.group, handler))
        await fill(engines)
        yield shop


async def fill(engines: Mapping[str, AsyncEngine]) -> None:
    """Stock the shelves and let the buyers be rich."""
    rows = {
        "orders": (Price, [{"sku": sku, "name": sku, "unit_price": PRICE} for sku in SKUS]),
        "inventory": (Stock, [{"sku": sku, "available": 2**31 - 1} for sku in SKUS]),
        "customers": (
            Customer,
            [
                {"id": one, "name": one, "email": f"{one}@example.com", "credit": RICH, "blocked": False}
                for one in BUYERS
            ],
        ),
    }
    for name, (entity, values) in rows.items():
        async with engines[name].begin() as connection:
            await connection.execute(insert(entity), values)
