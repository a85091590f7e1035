"""The unit of work that keeps what it announces: rows and events in one transaction, or neither.

Section:
    13.5, "The outbox: one write"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support import database
from lab_support.database import UnitOfWork
from lab_support.messaging.outbox import OutboxMixin, TopicOf, topic_of, write


@asynccontextmanager
async def unit_of_work(
    sessions: async_sessionmaker[AsyncSession],
    outbox: type[OutboxMixin],
    *,
    isolation: str | None = None,
    topic_of: TopicOf = topic_of,
    wake: Callable[[], None] | None = None,
) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work whose commit stores the announced events in the outbox, last of all its statements.

    Args:
        sessions: A factory of sessions on the service's engine.
        outbox: The service's outbox.
        isolation: As in `database.unit_of_work`.
        topic_of: Gives the topic of an event.
        wake: Called after each commit that stored an event: `Relay.wake`, when the relay runs in this process.

    Raises:
        EventTooLargeError: At the commit, which then keeps nothing.
        TypeError: The same, when something else than an event was announced.

    Section:
        13.5, "The outbox: one write"
    """
    async with database.unit_of_work(sessions, isolation=isolation) as uow:
        stored = False

        async def store(uow: UnitOfWork) -> None:
            nonlocal stored
            stored = bool(uow.announced)
            await write(uow.session, outbox, uow.announced, topic_of=topic_of)

        def committed(_session: Any) -> None:
            if stored and wake is not None:
                wake()

        uow.before_commit(store)
        sqlalchemy_event.listen(uow.session.sync_session, "after_commit", committed)
        yield uow
