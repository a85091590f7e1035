"""The idempotent consumer: inbox first, then the effect, then what it announces, in one transaction.

Section:
    13.5, "The idempotent consumer"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import UnitOfWork, retry_transaction
from lab_support.messaging.envelope import Event
from lab_support.messaging.errors import UnreadableEventError
from lab_support.messaging.event_types import EventTypes
from lab_support.messaging.inbox import InboxMixin, park, receive
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
        wake: Called after a commit that stored events, such as `Relay.wake`.

    Section:
        13.5, "The idempotent consumer"
    """

    name: str
    sessions: async_sessionmaker[AsyncSession]
    inbox: type[InboxMixin]
    outbox: type[OutboxMixin]
    types: EventTypes
    effect: Effect
    topic_of: TopicOf = topic_of
    wake: Callable[[], None] | None = None

    async def __call__(self, event: Event) -> None:
        """Deal with one delivery; when it returns, the event may be acknowledged.

        Raises:
            RetriesExhaustedError: Others were in the way at each attempt.
            Exception: Whatever the effect raised.
        """
        await retry_transaction(lambda: self._deal_with(event))

    async def _deal_with(self, event: Event) -> None:
        async with unit_of_work(self.sessions, self.outbox, topic_of=self.topic_of, wake=self.wake) as uow:
            if not await receive(uow.session, self.inbox, self.name, event):
                return
            try:
                payload = self.types.payload_of(event)
            except UnreadableEventError as why:
                await park(uow.session, self.inbox, self.name, event, why)
            else:
                await self.effect(uow, event, payload)
            await uow.commit()
