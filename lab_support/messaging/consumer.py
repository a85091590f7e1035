"""The idempotent consumer: inbox first, then the effect, then what it announces, in one transaction.

Section:
    13.5, "The inbox: repetitions do no harm"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import UnitOfWork, retry_transaction
from lab_support.messaging.envelope import Event
from lab_support.messaging.errors import RedeliveredError, UnreadableEventError
from lab_support.messaging.event_types import EventTypes
from lab_support.messaging.inbox import InboxMixin, park, parked, receive, receive_all, take_for_retry
from lab_support.messaging.outbox import OutboxMixin, TopicOf, topic_of
from lab_support.messaging.unit_of_work import unit_of_work

Effect = Callable[[UnitOfWork, Event, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A handler for a bus: however often an event comes, and however many copies at once, it has one effect.

    An event it cannot understand is parked in the inbox, so the bus may go on. What the effect raises comes out
    and keeps nothing, so the bus delivers the event again.

    Attributes:
        name: Tells the consumers of one inbox apart; usually the group on the bus.
        sessions: On the database of the service.
        inbox: The service's inbox.
        outbox: The service's outbox.
        types: The events it understands.
        effect: Gets the open unit of work, the event and its typed payload; it does not commit.
        only: The event types it uses; others are acknowledged without a row. None uses all, so that a type
            nobody registered is parked.
        topic_of: Gives the topic of what it announces.
        wake: Called after a commit that stored events, such as `Relay.wake`.

    Section:
        13.5, "The inbox: repetitions do no harm"
    """

    name: str
    sessions: async_sessionmaker[AsyncSession]
    inbox: type[InboxMixin]
    outbox: type[OutboxMixin]
    types: EventTypes
    effect: Effect
    only: Collection[str] | None = None
    topic_of: TopicOf = topic_of
    wake: Callable[[], None] | None = None

    async def __call__(self, event: Event) -> None:
        """Deal with one delivery; when it returns, the event may be acknowledged.

        Raises:
            RetriesExhaustedError: Others were in the way at each attempt.
            Exception: Whatever the effect raised.
        """
        if self.only is None or event.type in self.only:
            await retry_transaction(lambda: self._deal_with(event))

    async def handle_batch(self, events: Sequence[Event]) -> None:
        """Deal with several deliveries in one transaction: with all of them, or with none.

        The inbox, BEGIN, COMMIT and the outbox cost once what they would cost for each event. The locks of all the
        effects are held until the end, and one failure undoes all; so a bus gives few at a time, and after a
        failure each by itself.

        Raises:
            RedeliveredError: One of them is known already, or comes twice.
            RetriesExhaustedError: Others were in the way at each attempt.
            Exception: Whatever an effect raised.
        """
        used = [one for one in events if self.only is None or one.type in self.only]
        if used:
            await retry_transaction(lambda: self._deal_with_all(used))

    async def retry_parked(self, ids: Collection[UUID] | None = None, *, limit: int = 100) -> int:
        """Give parked events their effect, oldest first; return how many could be understood this time.

        Each is taken out of its place, and has its effect, in one transaction. What is still not understood stays
        parked, with the reason of this time.

        Args:
            ids: Which events; None means all that this consumer has parked.
            limit: The most events.

        Raises:
            Exception: Whatever an effect raised; that event and those after it stay parked.
        """
        async with self.sessions() as session:
            rows = await parked(session, self.inbox, consumer=self.name, ids=ids, limit=limit)
        understood = 0
        for event_id in [row.event_id for row in rows]:
            understood += await retry_transaction(lambda one=event_id: self._retry(one))  # type: ignore[misc]
        return understood

    async def _deal_with(self, event: Event) -> None:
        async with unit_of_work(self.sessions, self.outbox, topic_of=self.topic_of, wake=self.wake) as uow:
            if await receive(uow.session, self.inbox, self.name, event):
                await self._have_effect(uow, event)
                await uow.commit()

    async def _deal_with_all(self, events: Sequence[Event]) -> None:
        async with unit_of_work(self.sessions, self.outbox, topic_of=self.topic_of, wake=self.wake) as uow:
            if not await receive_all(uow.session, self.inbox, self.name, events):
                raise RedeliveredError(self.name)
            for event in events:
                await self._have_effect(uow, event)
            await uow.commit()

    async def _retry(self, event_id: UUID) -> bool:
        async with unit_of_work(self.sessions, self.outbox, topic_of=self.topic_of, wake=self.wake) as uow:
            event = await take_for_retry(uow.session, self.inbox, self.name, event_id)
            if event is None:
                return False  # somebody else was quicker
            understood = await self._have_effect(uow, event)
            await uow.commit()
        return understood

    async def _have_effect(self, uow: UnitOfWork, event: Event) -> bool:
        try:
            payload = self.types.payload_of(event)
        except UnreadableEventError as why:
            await park(uow.session, self.inbox, self.name, event, why)
            return False
        await self.effect(uow, event, payload)
        return True
