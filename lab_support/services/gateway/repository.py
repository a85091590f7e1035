"""The read model in one open transaction: facts in, summaries out. Nothing here commits.

Whoever writes holds a share of the row that says which generations there are. So a rebuild, which changes that row,
waits until everybody who has read it has committed, and everybody after it sees its new generation.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database.inserts import insert_if_absent, insert_those_absent
from lab_support.messaging import Event
from lab_support.repositories import KeysetPage
from lab_support.services.gateway.entities import (
    FIRST_GENERATION,
    THE_ONE,
    Generation,
    Hearing,
    InboxMessage,
    OrderSummary,
)
from lab_support.services.gateway.errors import SummaryNotFoundError
from lab_support.services.gateway.projection import Fact, apply, blank

_SHOWN = select(Generation.shown).where(Generation.id == THE_ONE).scalar_subquery()


class SummaryRepository:
    """Summaries of orders, in generations: one is shown, another may be under construction beside it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def generations(self, *, change: bool = False) -> Generation:
        """Give the row that says which generations there are, and hold it until the transaction ends.

        Args:
            change: Whether to hold it alone, because it is going to change.
        """
        found = await self._session.get(
            Generation, THE_ONE, with_for_update={} if change else {"read": True}, populate_existing=True
        )
        if found is None:
            await insert_if_absent(self._session, Generation, id=THE_ONE, shown=FIRST_GENERATION)
            return await self.generations(change=change)
        return found

    async def project(self, generation: int, facts: Sequence[Fact]) -> None:
        """Bring facts into a generation: a fixed number of statements, however many facts."""
        by_order: dict[UUID, list[Fact]] = defaultdict(list)
        newest: dict[str, datetime] = {}
        for fact in facts:
            by_order[fact.order_id].append(fact)
            newest[fact.service] = max(fact.happened_at, newest.get(fact.service, fact.happened_at))
        ids = sorted(by_order)
        if not ids:
            return
        rows = [blank(generation, by_order[one][0]) for one in ids]
        await insert_those_absent(self._session, OrderSummary, rows)
        locked = (
            select(OrderSummary)
            .where(OrderSummary.generation == generation, OrderSummary.order_id.in_(ids))
            .order_by(OrderSummary.order_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for summary in await self._session.scalars(locked):
            for fact in by_order[summary.order_id]:
                apply(fact, summary)
        await self._session.flush()
        for service in sorted(newest):
            await self._hear(generation, service, newest[service])

    async def get(self, order_id: UUID) -> OrderSummary | None:
        """Give the shown summary of an order."""
        wanted = (OrderSummary.generation == _SHOWN, OrderSummary.order_id == order_id)
        return await self._session.scalar(select(OrderSummary).where(*wanted))

    async def page(
        self, customer_id: str, *, after: UUID | None, limit: int
    ) -> KeysetPage[OrderSummary, UUID]:
        """Give the shown summaries of somebody's orders, newest first.

        Raises:
            SummaryNotFoundError: `after` is no order of this customer.
        """
        summary = OrderSummary
        mine = and_(
            summary.generation == _SHOWN, summary.customer_id == customer_id, summary.ordered_at.is_not(None)
        )
        query = select(summary).where(mine)
        if after is not None:
            moment = await self._session.scalar(
                select(summary.ordered_at).where(mine, summary.order_id == after)
            )
            if moment is None:
                raise SummaryNotFoundError(after)
            older = and_(summary.ordered_at == moment, summary.order_id < after)
            query = query.where(or_(summary.ordered_at < moment, older))
        newest_first = query.order_by(summary.ordered_at.desc(), summary.order_id.desc()).limit(limit + 1)
        found = (await self._session.scalars(newest_first)).all()
        page = found[:limit]
        return KeysetPage(items=page, next=page[-1].order_id if len(found) > limit else None)

    async def heard(self) -> Mapping[str, datetime]:
        """Give for each service when the newest event happened that the shown generation has heard of."""
        rows = await self._session.execute(
            select(Hearing.service, Hearing.newest_at).where(Hearing.generation == _SHOWN)
        )
        return {row.service: row.newest_at for row in rows}

    async def keep(self, consumer: str, event: Event) -> None:
        """Keep an event that was received, for a rebuild to come."""
        mine = (InboxMessage.consumer == consumer, InboxMessage.event_id == event.event_id)
        await self._session.execute(
            update(InboxMessage)
            .where(*mine)
            .values(event=event.model_dump(mode="json"))
            .execution_options(synchronize_session=False)
        )

    async def kept(
        self, consumer: str, *, after: UUID | None, limit: int
    ) -> Sequence[tuple[UUID, datetime, dict[str, Any]]]:
        """Give kept events in the order of their ids: id, moment of hearing, event."""
        row = InboxMessage
        query = select(row.event_id, row.received_at, row.event).where(
            row.consumer == consumer, row.parked_at.is_(None), row.event.is_not(None)
        )
        if after is not None:
            query = query.where(row.event_id > after)
        found = await self._session.execute(query.order_by(row.event_id).limit(limit))
        return [(one.event_id, one.received_at, one.event or {}) for one in found]

    async def forget_others(self, generations: Sequence[int], limit: int) -> int:
        """Delete some summaries of all other generations, and tell how many."""
        summary = OrderSummary
        some = (
            select(summary.generation, summary.order_id)
            .where(summary.generation.not_in(generations))
            .limit(limit)
        )
        keys = [tuple(row) for row in await self._session.execute(some)]
        for generation in {key[0] for key in keys}:
            ids = [key[1] for key in keys if key[0] == generation]
            await self._session.execute(
                delete(summary)
                .where(summary.generation == generation, summary.order_id.in_(ids))
                .execution_options(synchronize_session=False)
            )
        if not keys:
            await self._session.execute(
                delete(Hearing)
                .where(Hearing.generation.not_in(generations))
                .execution_options(synchronize_session=False)
            )
        return len(keys)

    async def _hear(self, generation: int, service: str, moment: datetime) -> None:
        """Move a service's mark forward, never back."""
        older = (Hearing.generation == generation, Hearing.service == service, Hearing.newest_at < moment)
        move = update(Hearing).where(*older).values(newest_at=moment)
        for _ in range(2):  # the second time if somebody else made the row meanwhile
            done: Any = await self._session.execute(move.execution_options(synchronize_session=False))
            if done.rowcount:
                return
            row = {"generation": generation, "service": service, "newest_at": moment}
            if await insert_if_absent(self._session, Hearing, **row):
                return
