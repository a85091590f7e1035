"""A catalogue that talks: a bus that keeps what it confirmed, a clock, and a collection that dies between two steps."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from lab_support.database import SimulatedDeath
from lab_support.documents.types import Collection
from lab_support.messaging import Event, Message, RelaySettings
from lab_support.services.catalog.announcing_repository import AnnouncingCatalogRepository
from lab_support.services.catalog.document_relay import DocumentRelay
from lab_support.services.catalog.dtos import BookWrite, TShirtWrite
from lab_support.services.catalog.mapping import new_product

LEASE_S = 15.0
Told = tuple[str, int]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeBus:
    """A bus in memory that keeps what it confirmed, and refuses, is away or dies on order."""

    def __init__(self) -> None:
        self.got: list[Event] = []
        self.batches: list[int] = []
        self.refuses: set[Told] = set()
        self.kills: set[Told] = set()
        self.away = False
        self.dies: str | None = None
        self.confirmed = asyncio.Queue[Told]()

    async def publish(self, batch: Sequence[Message]) -> None:
        if self.away:
            raise ConnectionRefusedError("no broker at this address")
        self._die("before")
        events = [one.event for one in batch]
        if self.kills.intersection(map(told, events)):
            raise SimulatedDeath
        if guilty := self.refuses.intersection(map(told, events)):
            raise ValueError(f"refused {sorted(guilty)}")
        self.got += events
        self.batches.append(len(events))
        for event in events:
            self.confirmed.put_nowait(told(event))
        self._die("after")

    def _die(self, when: str) -> None:
        if self.dies == when:
            self.dies = None
            raise SimulatedDeath

    @property
    def told(self) -> list[Told]:
        """Name what was published: product and version."""
        return [told(event) for event in self.got]


def told(event: Event) -> Told:
    return event.aggregate_id, int(str(event.payload["version"]))


def in_order(got: Sequence[Told]) -> bool:
    """Tell whether each product's versions came first in their order; repetitions do not count."""
    versions: dict[str, list[int]] = {}
    for product, version in dict.fromkeys(got):
        versions.setdefault(product, []).append(version)
    return all(one == sorted(one) for one in versions.values())


def relay_of(stored: Any, bus: Any, clock: Clock, **settings: Any) -> DocumentRelay:
    chosen = RelaySettings(**{"lease_s": LEASE_S, **settings})
    return DocumentRelay(stored, bus, settings=chosen, clock=clock, random=lambda: 0.5)


async def add_products(stored: Collection, number: int, *, changes: int = 0) -> list[ObjectId]:
    """Add products, and change the price of each so often."""
    products = AnnouncingCatalogRepository(stored)
    ids = []
    for count in range(number):
        shirt = TShirtWrite(
            kind="tshirt",
            sku=f"TEE-{count}",
            name="Plain",
            price="14.90",
            size="M",
            colour="red",  # type: ignore[arg-type]
        )
        ids.append((await products.create(new_product(shirt))).id)
    for change in range(changes):
        for id_ in ids:
            await products.update(id_, {"name": f"Plain {change}"})
    return ids


def another_book(**fields: Any) -> BookWrite:
    book = {"kind": "book", "sku": "BOOK-9", "name": "Other", "price": "9.00", "isbn": "9781234567897"}
    return BookWrite.model_validate(book | {"authors": ["B"]} | fields)


class Dying:
    """A collection whose process dies before, or after, its so-manieth message to the server."""

    def __init__(self, collection: Collection, at: int, when: str) -> None:
        self._collection, self._at, self._when = collection, at, when
        self.sent = 0
        self.name = collection.name

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._collection, name)
        if name == "find":
            return lambda *arguments: _DyingCursor(self, function(*arguments))

        async def counted(*arguments: Any, **options: Any) -> Any:
            with self.counting():
                return await function(*arguments, **options)

        return counted

    @contextmanager
    def counting(self) -> Iterator[None]:
        self.sent += 1
        if self.sent == self._at and self._when == "before":
            raise SimulatedDeath
        yield
        if self.sent == self._at and self._when == "after":
            raise SimulatedDeath


class _DyingCursor:
    def __init__(self, collection: Dying, cursor: Any) -> None:
        self._collection, self._cursor = collection, cursor

    def sort(self, *arguments: Any) -> "_DyingCursor":
        self._cursor = self._cursor.sort(*arguments)
        return self

    def limit(self, *arguments: Any) -> "_DyingCursor":
        self._cursor = self._cursor.limit(*arguments)
        return self

    async def to_list(self, length: int) -> Any:
        with self._collection.counting():
            return await self._cursor.to_list(length)
