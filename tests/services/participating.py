"""One participant of the sagas, by itself: it hears messages, does its compensations, and its tables are looked at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel
from sqlalchemy import MetaData, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import (
    Backend,
    build_engine,
    create_tables,
    fault,
    scratch_database,
    session_factory,
    trace_sql,
)
from lab_support.messaging import Bus, Event, EventTypes, InboxMixin, Message, OutboxMixin, event_of
from lab_support.pools import DatabaseUnreachableError
from lab_support.sagas import CompensationMixin, RetryPolicy
from lab_support.services.participant import Around, Participant
from lab_support.settings import Settings
from tests.conftest import missing

LIMIT_S = 60.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class NoBus:
    """Nothing is published here: what was told is read in the outbox."""

    async def publish(self, batch: Sequence[Message]) -> None:
        raise AssertionError(f"{batch} was published")


class World:
    """A participant on an engine, heard and seen from outside; a subclass names the service."""

    types: EventTypes
    tables: MetaData
    outbox: type[OutboxMixin]
    inbox: type[InboxMixin]
    tasks: type[CompensationMixin]
    participate: Callable[..., Participant]

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine, self.sessions, self.clock = engine, session_factory(engine), Clock()
        bus: Bus = NoBus()  # type: ignore[assignment]
        self.participant = type(self).participate(
            self.sessions,
            bus,
            settings=Settings(),
            around=Around(clock=self.clock, random=lambda: 0.5),
            policy=RetryPolicy(attempts=3, backoff_s=4.0),
        )

    async def create_tables(self) -> None:
        await create_tables(self.engine, self.tables)

    async def hear(self, *messages: Event) -> None:
        """Deliver messages one after the other, as the bus would: by the topic of each."""
        for message in messages:
            await self.deliver(message)

    async def at_once(self, *messages: Event) -> None:
        """Deliver messages at the same time."""
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(self.deliver(message) for message in messages))

    async def deliver(self, message: Event) -> None:
        handlers = [one.handler for one in self.participant.listeners if one.topic == message.aggregate_type]
        assert len(handlers) == 1, f"nobody listens to {message.aggregate_type}"
        await handlers[0](message)

    async def compensate(self) -> int:
        """Do the compensations that are due, and return how many were tried."""
        tried = 0
        while now := await self.participant.workers[0].turn():
            tried += int(str(now))
        return tried

    async def compensate_once(self) -> object:
        """Have the worker take one turn."""
        return await self.participant.workers[0].turn()

    async def reopen(self, order: UUID) -> None:
        """Have a compensation done again, as after a restored backup."""
        again = update(self.tasks).where(self.tasks.subject == str(order)).values(status="OPEN")
        async with self.sessions() as session, session.begin():
            await session.execute(again)

    async def told(self, order: UUID | None = None) -> list[str]:
        """Give the types of what was announced, in its order: of one order, or all."""
        return [event.type for _topic, event in await self.announced(order)]

    async def announced(self, order: UUID | None = None) -> list[tuple[str, Event]]:
        """Give what was announced, each with its topic, in its order."""
        query = select(self.outbox).order_by(self.outbox.seq)
        if order is not None:
            query = query.where(self.outbox.payload["order_id"].as_string() == str(order))
        async with self.sessions() as session:
            return [(row.topic, event_of(row)) for row in await session.scalars(query)]

    async def task(self, order: UUID) -> tuple[str, int, str | None] | None:
        """Give status, attempts and last reason of an order's compensation."""
        async with self.sessions() as session:
            row = await session.scalar(select(self.tasks).where(self.tasks.subject == str(order)))
        return None if row is None else (row.status, row.attempts, row.last_reason)

    async def inbox_rows(self) -> list[tuple[str, bool]]:
        """Give the type of each message that left a row in the inbox, and whether it was parked."""
        async with self.sessions() as session:
            rows = (await session.scalars(select(self.inbox))).all()
        return sorted((row.type, row.parked_at is not None) for row in rows)


def message(types: EventTypes, topic: str, payload: BaseModel, **more: Any) -> Event:
    """Put a payload into an envelope, as another service would."""
    about = getattr(payload, "order_id", "x")
    return types.event(payload, aggregate_type=topic, aggregate_id=about, **{"saga_id": uuid4(), **more})


async def statements_of(engine: AsyncEngine, act: Callable[[], Awaitable[object]]) -> int:
    """Run something, and count its statements."""
    with trace_sql(engine) as trace:
        await act()
    return len(trace.statements)


async def dies(
    engine: AsyncEngine, act: Callable[[], Awaitable[object]], place: dict[str, Any]
) -> tuple[bool, bool]:
    """Let the process die at a place of what it does; tell whether it came there and whether anybody survived."""
    with fault(engine, how="die", **place) as injected:
        await act()
    return injected.reached, not injected.surfaced


def places(statements: int) -> list[dict[str, Any]]:
    """Every place at which a transaction of so many statements can die."""
    after: list[dict[str, Any]] = [{"after_statement": k} for k in range(1, statements + 1)]
    return [*after, {"at_commit": True}, {"after_commit": True}]


BACKENDS = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@contextmanager
def chosen_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Name an engine for a module's tests; PostgreSQL is the server that `tests/conftest.py` has chosen."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgresql":
            patch.setenv("LAB_POSTGRES_URL", request.getfixturevalue("postgresql_database"))
        yield request.param


@asynccontextmanager
async def lasting_engine(backend: Backend, folder: Path) -> AsyncIterator[AsyncEngine]:
    """Give an engine that serves a module's tests; a missing server skips or fails them.

    Each test then has orders, customers and products of its own.
    """
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(scratch_database(backend, folder))
        except DatabaseUnreachableError as error:
            missing(str(error))
        engine = build_engine(url)
        stack.push_async_callback(engine.dispose)
        yield engine
