"""Carries events between the three services of 13.5.5: in order and once, or reordered and told again from a seed.

Section:
    13.5, "A bus that misbehaves on purpose"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.exercises.s13_05.saga_shop import TYPES, InboxMessage, OutboxMessage, sessions_on
from lab_support.messaging import Consumer, Event, event_of
from lab_support.messaging.consumer import Effect

ROUTES: Final = {
    "OrderCreated": ("Customers.reserve_credit", "Inventory.reserve_stock"),
    "CustomerCreditReserved": ("Orders.conclude_order",),
    "CustomerCreditLimitExceeded": ("Orders.conclude_order", "Inventory.release_stock"),
    "StockReserved": ("Orders.conclude_order",),
    "StockUnavailable": ("Orders.conclude_order", "Customers.release_credit"),
}
TABLES: Final = {
    "orders": "Orders",
    "customers": "Customers",
    "credit_reservations": "Customers",
    "stock": "Inventory",
    "stock_reservations": "Inventory",
}
MOST_TRIES = 5
_TABLE = re.compile(rf"\b({'|'.join(TABLES)})\b(?!\.)")


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to events on their way.

    Attributes:
        seed: Fixes what is left to chance.
        shuffled: Whether the next delivery is any of those waiting, and not the oldest.
        slow: A service that gets its events after all others, the newest first.
        told_again: The chance that a fact comes a second time, early or late, under a new `event_id`.
        repeated: The chance that the very same event comes a second time.
    """

    seed: str = ""
    shuffled: bool = False
    slow: str = ""
    told_again: float = 0.0
    repeated: float = 0.0


@dataclass(slots=True)
class _Delivery:
    to: str
    event: Event
    tries: int = 0


@dataclass(slots=True)
class Courier:
    """Delivers until nothing is left.

    Attributes:
        heard: What each service heard about which order, in order: (order's number, service, event's type).
        dead: What was given up, and the error of its last try, as text.
        left: The events of what was given up.
        foreign: Tables that a service used and does not own.
    """

    engine: AsyncEngine
    handlers: Mapping[str, Effect]
    weather: Weather
    heard: list[tuple[Any, str, str]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    left: list[Event] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    _bag: list[_Delivery] = field(default_factory=list)
    _late: list[_Delivery] = field(default_factory=list)
    _random: Random = field(init=False)
    _told: int = 0
    _news: bool = False
    _at: str = ""

    def __post_init__(self) -> None:
        """Begin at the seed."""
        self._random = Random(self.weather.seed)  # noqa: S311 - weather needs no secret

    async def carry(self, events: list[Event]) -> None:
        """Publish these events, deliver them, and all that the services then announce."""
        consumers = {name: self._consumer(name, effect) for name, effect in self.handlers.items()}
        async with self.engine.connect() as connection:
            self._told = await connection.scalar(select(func.max(OutboxMessage.seq))) or 0
        for event in events:
            self._publish(event)
        with self._watching():
            while self._bag or self._late:
                if not self._bag:
                    self._bag, self._late = self._late, []
                delivery = self._bag.pop(self._next())
                await self._deliver(consumers[delivery.to], delivery)

    def _next(self) -> int:
        """Choose a place in the bag."""
        slow: list[int] = []
        quick: list[int] = []
        for place, one in enumerate(self._bag):
            late = self.weather.slow and one.to.startswith(self.weather.slow)
            (slow if late else quick).append(place)
        if not quick:
            return slow[-1]
        return self._random.choice(quick) if self.weather.shuffled else quick[0]

    def _consumer(self, name: str, effect: Effect) -> Consumer:
        return Consumer(
            name=name, sessions=sessions_on(self.engine), inbox=InboxMessage, outbox=OutboxMessage,
            types=TYPES, effect=effect, wake=self._hear_of_news,
        )  # fmt: skip

    def _publish(self, event: Event) -> None:
        told_again = event.model_copy(update={"event_id": UUID(int=self._random.getrandbits(128))})
        for to in ROUTES.get(event.type, ()):
            self._bag.append(_Delivery(to, event))
            for copy, chance in ((event, self.weather.repeated), (told_again, self.weather.told_again)):
                if self._random.random() < chance:
                    early = self.weather.shuffled and self._random.random() < 0.5
                    (self._bag if early else self._late).append(_Delivery(to, copy))

    async def _deliver(self, consumer: Consumer, delivery: _Delivery) -> None:
        self._at = delivery.to.partition(".")[0]
        self.heard.append((delivery.event.payload["order_id"], self._at, delivery.event.type))
        try:
            await consumer(delivery.event)
        except NotImplementedError:
            raise
        except Exception as error:
            delivery.tries += 1
            if delivery.tries < MOST_TRIES:
                self._late.append(delivery)
            else:
                self.left.append(delivery.event)
                self.dead.append(f"{delivery.to} on {delivery.event.type}: {type(error).__name__}: {error}")
            return
        self._at = ""
        if self._news:
            await self._read_outbox()

    def _hear_of_news(self) -> None:
        self._news = True

    async def _read_outbox(self) -> None:
        news = (
            select(OutboxMessage.__table__).where(OutboxMessage.seq > self._told).order_by(OutboxMessage.seq)
        )
        async with self.engine.connect() as connection:
            rows = (await connection.execute(news)).all()
        self._news = False
        for row in rows:
            self._told = row.seq
            self._publish(event_of(row))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Note which tables a service uses that are not its own."""

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            used = {table for table in _TABLE.findall(statement) if TABLES[table] != self._at}
            if self._at:
                self.foreign |= {f"{self._at} used {table}" for table in used}

        sqlalchemy_event.listen(self.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            sqlalchemy_event.remove(self.engine.sync_engine, "before_cursor_execute", note)
