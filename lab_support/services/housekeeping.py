"""What a service throws away by itself: old inbox rows, forgotten keys, messages that everybody has read.

Section:
    13.5, "In production"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, unit_of_work, utc_now
from lab_support.messaging import Bus, EmbeddedBus, InboxMixin, inbox
from lab_support.sagas.workers import PollingWorker

Chore = Callable[[], Awaitable[int]]
Work = Callable[[AsyncSession], Awaitable[int]]


class ForgetKeys(Protocol):
    """Deletes the idempotency keys that are older than a moment, and tells how many."""

    async def __call__(self, session: AsyncSession, *, before: datetime) -> int:
        """Delete them; the caller commits."""


KEEP_INBOX: Final = timedelta(days=30)
"""Longer than any bus would deliver an event again."""

KEEP_KEYS: Final = timedelta(days=1)
"""Longer than any caller would go on trying."""

EVERY_S: Final = 3600.0
_log = logging.getLogger(__name__)


class Housekeeper(PollingWorker):
    """Does its chores once an hour; one that fails is told in the log and keeps no other from being done.

    Args:
        chores: Each deletes something and returns how many.
        every_s: The pause between two rounds, in seconds.
    """

    def __init__(self, chores: Sequence[Chore], *, every_s: float = EVERY_S) -> None:
        super().__init__(poll_s=every_s)
        self._chores = tuple(chores)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep house in a task of its own while the block runs."""
        task = asyncio.create_task(self.run(), name="housekeeper")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def turn(self) -> bool:
        """Do every chore once; there is never more to do at once."""
        for chore in self._chores:
            try:
                await chore()
            except Exception:
                _log.exception("A chore failed; it is tried again in the next round")
        return False


def clean_inbox(sessions: async_sessionmaker[AsyncSession], table: type[InboxMixin]) -> Chore:
    """Forget events that were received long ago."""
    return chore(sessions, lambda session: inbox.purge(session, table, older_than=KEEP_INBOX))


def clean_keys(sessions: async_sessionmaker[AsyncSession], forget: ForgetKeys) -> Chore:
    """Forget the idempotency keys of requests that nobody sends any more."""
    return chore(sessions, lambda session: forget(session, before=utc_now() - KEEP_KEYS))


def clean_bus(bus: Bus) -> Sequence[Chore]:
    """Delete what every group has read from the embedded bus; a broker keeps house by itself."""
    return [bus.purge] if isinstance(bus, EmbeddedBus) else []


def chore(sessions: async_sessionmaker[AsyncSession], work: Work) -> Chore:
    """Make a chore of what deletes rows within a transaction."""

    async def attempt() -> int:
        async with unit_of_work(sessions) as uow:
            done = await work(uow.session)
            await uow.commit()
        return done

    return lambda: retry_transaction(attempt)
