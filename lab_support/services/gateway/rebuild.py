"""The read model built anew, from the owners' events, while the old one is shown and goes on hearing.

A new generation is filled beside the one that is shown. From the moment it exists, whatever is heard goes into both. It
gets what was heard before from Orders' journal, and from the events that the gateway itself has kept: of an event that
the gateway heard and Orders did not yet, the journal knows nothing. An event that comes twice changes nothing the
second time. At the end one UPDATE shows the new generation.

Section:
    13.9, "Rebuilt while it is read"
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import retry_transaction, unit_of_work
from lab_support.database.cancellation import to_its_end
from lab_support.messaging import Event, UnreadableEventError
from lab_support.services.gateway.asking import Neighbours
from lab_support.services.gateway.dtos import JournalEntry, JournalPage
from lab_support.services.gateway.errors import NoAnswerError, RebuildOvertakenError
from lab_support.services.gateway.events import EVENTS
from lab_support.services.gateway.handlers import HEARS, NAME
from lab_support.services.gateway.projection import SERVICE_OF, Fact, fact_of
from lab_support.services.gateway.remote import Until
from lab_support.services.gateway.repository import SummaryRepository

PAGE: Final = 500
PATIENCE_S: Final = 10.0
"""For one page of the journal."""

TRIES: Final = 5
_log = logging.getLogger(__name__)
Progress = Callable[[int, int | None], None]


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild has done.

    Attributes:
        events: How many events were read; some of them twice.
        unreadable: Those that nobody could understand, by their ids; they are in no summary.
    """

    events: int = 0
    unreadable: set[UUID] = field(default_factory=set)


def _unseen(_done: int, _of: int | None) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """One rebuild of the order summaries.

    Attributes:
        sessions: On the gateway's database; others may use it meanwhile.
        neighbours: Where Orders is.
        progress: Told the position in the journal, and its end.
        page: Events in one transaction.
        sleep: Waits for so many seconds, after Orders did not answer.
    """

    sessions: async_sessionmaker[AsyncSession]
    neighbours: Neighbours
    progress: Progress = _unseen
    page: int = PAGE
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def run(self) -> Rebuilt:
        """Build a new generation, and show it.

        Raises:
            NoAnswerError: Orders does not answer; the old generation is still shown.
            RebuildOvertakenError: Another rebuild has begun meanwhile.
        """
        done = Rebuilt()
        generation = await retry_transaction(self._begin)
        try:
            await self._from_journal(generation, done)
            await self._from_inbox(generation, done)
            await retry_transaction(lambda: self._show(generation))
        except BaseException:
            await to_its_end(self._abandon(generation))
            raise
        await self._tidy()
        return done

    async def _begin(self) -> int:
        async with unit_of_work(self.sessions) as uow:
            generations = await SummaryRepository(uow.session).generations(change=True)
            generations.building = new = max(generations.shown, generations.building or 0) + 1
            await uow.commit()
        return new

    async def _from_journal(self, generation: int, done: Rebuilt) -> None:
        after: int | None = 0
        while after is not None:
            page = await self._journal(after)
            facts = []
            for entry in page.items:
                event = _event_of(entry)
                facts += _facts(event, entry.recorded_at, done)
                done.events += 1
            await self._project(generation, facts)
            if page.items:
                self.progress(page.items[-1].position, page.last)
            after = page.next

    async def _from_inbox(self, generation: int, done: Rebuilt) -> None:
        after: UUID | None = None
        while True:
            async with self.sessions() as session:
                rows = await SummaryRepository(session).kept(NAME, after=after, limit=self.page)
            facts: list[Fact] = []
            for event_id, received_at, document in rows:
                try:
                    facts += _facts(Event.model_validate(document), received_at, done)
                except ValidationError:
                    done.unreadable.add(event_id)
                done.events += 1
            await self._project(generation, facts)
            if len(rows) < self.page:
                return
            after = rows[-1][0]

    async def _project(self, generation: int, facts: Sequence[Fact]) -> None:
        async def attempt() -> None:
            async with unit_of_work(self.sessions) as uow:
                summaries = SummaryRepository(uow.session)
                if (await summaries.generations()).building != generation:
                    raise RebuildOvertakenError
                await summaries.project(generation, facts)
                await uow.commit()

        if facts:
            await retry_transaction(attempt)

    async def _show(self, generation: int) -> None:
        async with unit_of_work(self.sessions) as uow:
            generations = await SummaryRepository(uow.session).generations(change=True)
            if generations.building != generation:
                raise RebuildOvertakenError
            generations.shown, generations.building = generation, None
            await uow.commit()

    async def _abandon(self, generation: int) -> None:
        """Let nobody go on filling a generation that will never be shown; the next rebuild does it otherwise."""

        async def attempt() -> None:
            async with unit_of_work(self.sessions) as uow:
                generations = await SummaryRepository(uow.session).generations(change=True)
                if generations.building == generation:
                    generations.building = None
                    await uow.commit()

        try:
            await retry_transaction(attempt)
            await self._tidy()
        except Exception:
            _log.exception("An abandoned rebuild could not be tidied up")

    async def _tidy(self) -> None:
        """Delete generations that nobody sees, a page at a time."""

        async def attempt() -> int:
            async with unit_of_work(self.sessions) as uow:
                summaries = SummaryRepository(uow.session)
                now = await summaries.generations()
                used = [one for one in (now.shown, now.building) if one is not None]
                deleted = await summaries.forget_others(used, self.page)
                await uow.commit()
                return deleted

        while await retry_transaction(attempt):
            continue

    async def _journal(self, after: int) -> JournalPage:
        for tried in range(1, TRIES + 1):
            try:
                return await self.neighbours.journal(after, self.page, Until.within(PATIENCE_S))
            except NoAnswerError:
                if tried == TRIES:
                    raise
                await self.sleep(0.2 * 2**tried)
        raise AssertionError("unreachable")


def _event_of(entry: JournalEntry) -> Event:
    """Put an event together again; its order is the aggregate that matters here."""
    kinds = {service: kind for kind, service in SERVICE_OF.items()}
    return Event(
        event_id=entry.event_id,
        type=entry.type,
        aggregate_type=kinds.get(entry.service, entry.service),
        aggregate_id=str(entry.order_id),
        occurred_at=entry.occurred_at,
        payload=entry.payload,
    )


def _facts(event: Event, heard_at: datetime, done: Rebuilt) -> list[Fact]:
    """Read what an event says; nothing, when it is none of the gateway's business or nobody understands it."""
    service = SERVICE_OF.get(event.aggregate_type)
    if event.type not in HEARS or service is None:
        return []
    try:
        payload = EVENTS.payload_of(event)
    except UnreadableEventError:
        done.unreadable.add(event.event_id)
        return []
    return [fact_of(payload, service=service, occurred_at=event.occurred_at, heard_at=heard_at)]
