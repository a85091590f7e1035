"""The collections of Orders, through the session of whoever commits.

Each change of an order is one conditional statement: it waits for whoever changes the same row, and then decides by
what is true at that moment.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Update, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from lab_support.database.inserts import ignoring_insert, insert_if_absent, insert_rows
from lab_support.services.orders.entities import Order, OrderLine, OrdersBase, Price, Review, TimelineEntry
from lab_support.services.orders.states import WAITING, Ending
from lab_support.services.vocabulary import Coordination

_NEVER = datetime.min.replace(tzinfo=UTC)
MOST_EVENTS = 500
"""The most events of one order that are shown; a saga has a dozen."""


# Made once: each order needs these, and to put a statement together takes longer than to send it.
_ORDER: Final = select(Order).where(Order.id == bindparam("order")).execution_options(populate_existing=True)
_ORDERS: Final = cast("Table", Order.__table__)
_FACTS: Final = select(_ORDERS.c.id, _ORDERS.c.saga_id, _ORDERS.c.customer_id).where(
    _ORDERS.c.id == bindparam("order")
)
_OFFERED: Final = select(Price).where(
    Price.sku.in_(bindparam("skus", expanding=True)), Price.discontinued_at.is_(None)
)


@cache
def _ending(asked: tuple[str, ...]) -> Update:
    # Of the table: an UPDATE of the class is made ready for the ORM at each execution.
    end = update(_ORDERS).where(
        _ORDERS.c.id == bindparam("order"), _ORDERS.c.status.in_(bindparam("waiting", expanding=True))
    )
    for name in asked:
        end = end.where(_ORDERS.c[name] == bindparam(f"the_{name}"))
    return end.values(
        status=bindparam("end"),
        reason=bindparam("why"),
        failed_step=bindparam("step"),
        updated_at=bindparam("now"),
    )


class OrderFacts(NamedTuple):
    """What of an order never changes, and is all that an event about it has to be compared with."""

    id: UUID
    saga_id: UUID
    customer_id: str


class OrderRepository:
    """The orders one open transaction can see."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, order: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
        """Write an order and its lines: two statements, however many lines."""
        await insert_rows(self._session, Order, [order])
        await insert_rows(self._session, OrderLine, lines)

    async def get(self, order_id: UUID) -> Order | None:
        """Give an order without its lines, as it is now."""
        return await self._session.scalar(_ORDER, {"order": order_id})

    async def facts(self, order_id: UUID) -> OrderFacts | None:
        """Give what of an order never changes; the saga needs no more, and several times for each order."""
        found = (await self._session.execute(_FACTS, {"order": order_id})).first()
        return None if found is None else OrderFacts(*found)

    async def get_whole(self, order_id: UUID) -> Order | None:
        """Give an order with its lines: two statements."""
        whole = [selectinload(Order.lines)]
        return await self._session.get(Order, order_id, options=whole, populate_existing=True)

    async def end(
        self,
        order_id: UUID,
        ending: Ending,
        *,
        now: datetime,
        coordination: Coordination | None = None,
        saga_id: UUID | None = None,
    ) -> bool:
        """Bring a waiting order to its end, and tell whether it was this that ended it.

        Args:
            order_id: Which.
            ending: Its end.
            now: This moment.
            coordination: Only if it is coordinated so; None does not ask.
            saga_id: Only if this is its saga; None does not ask.
        """
        asked = {
            name: value
            for name, value in (("coordination", coordination), ("saga_id", saga_id))
            if value is not None
        }
        parameters = {
            "order": order_id,
            "waiting": ending.of,
            "end": ending.status,
            "why": ending.reason,
            "step": ending.failed_step,
            "now": now,
            **{f"the_{name}": value for name, value in asked.items()},
        }
        done = await self._session.execute(
            _ending(tuple(asked)), parameters, execution_options={"synchronize_session": False}
        )
        return bool(done.rowcount == 1)  # type: ignore[attr-defined]

    async def annotate(self, order_id: UUID, note: str | None, *, now: datetime) -> bool:
        """Set the delivery note unless the saga still works on the order."""
        ended = Order.status.not_in(WAITING)
        return await _changed_one(
            self._session, Order, Order.id == order_id, ended, delivery_note=note, updated_at=now
        )

    async def overdue(self, now: datetime, *, limit: int) -> list[Order]:
        """Give choreographed orders whose deadline has passed, most overdue first."""
        due = (
            select(Order)
            .where(Order.status.in_(WAITING), Order.deadline_at <= now, Order.coordination == "choreography")
            .order_by(Order.deadline_at)
            .limit(limit)
        )
        return list(await self._session.scalars(due))


class PriceRepository:
    """The price list, a copy of what the catalogue says."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, skus: Collection[str]) -> dict[str, Price]:
        """Give the prices of those products that are offered; of two with one sku, what was said last."""
        found = sorted(await self._session.scalars(_OFFERED, {"skus": list(skus)}), key=_when_said)
        return {price.sku: price for price in found}

    async def all(self, *, limit: int = 1000) -> list[Price]:
        """Give the list in the order of the products' names for machines."""
        offered = select(Price).where(Price.discontinued_at.is_(None)).order_by(Price.sku)
        return list(await self._session.scalars(offered.limit(limit)))

    async def keep(self, product_id: str, version: int, **said: Any) -> bool:
        """Take what one version of a product says, unless a newer one was heard before; tell whether it was taken."""
        if await insert_if_absent(self._session, Price, product_id=product_id, version=version, **said):
            return True
        return await self.change(product_id, version, **said)

    async def change(self, product_id: str, version: int, **said: Any) -> bool:
        """Change what an older version of a product said; tell whether there was one."""
        older = (Price.product_id == product_id, Price.version < version)
        return await _changed_one(self._session, Price, *older, version=version, **said)


class TimelineRepository:
    """What was sent and heard about orders."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write events down, those that are known already left out, with one statement."""
        table: Any = TimelineEntry.__table__
        statement = ignoring_insert(table, self._session.get_bind().dialect.name)
        await self._session.execute(statement, [dict(entry) for entry in entries])

    async def of(self, order_id: UUID) -> list[TimelineEntry]:
        """Give the events of an order as they were recorded."""
        query = select(TimelineEntry).where(TimelineEntry.order_id == order_id)
        return list(await self._session.scalars(query.order_by(TimelineEntry.id).limit(MOST_EVENTS)))

    async def types(self, order_id: UUID) -> set[str]:
        """Name what has happened to an order, without reading what it was about."""
        query = select(TimelineEntry.type).where(TimelineEntry.order_id == order_id)
        return set(await self._session.scalars(query.limit(MOST_EVENTS)))


class ReviewRepository:
    """The queue of what a person has to look at."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def open(self, review: Mapping[str, Any]) -> bool:
        """Put a review into the queue; False when one of this order and action is open: that gets the latest news."""
        same = [getattr(Review, name) == review[name] for name in ("order_id", "service", "action")]
        news = {name: review[name] for name in ("reason", "attempts", "causation_id")}
        if await _changed_one(self._session, Review, *same, Review.resolved_at.is_(None), **news):
            return False
        await self._session.execute(insert(Review).values(review))
        return True

    async def get(self, review_id: UUID) -> Review | None:
        """Give a review as it is now."""
        return await self._session.get(Review, review_id, populate_existing=True)

    async def of(self, order_id: UUID) -> list[Review]:
        """Give all reviews of an order, oldest first."""
        mine = select(Review).where(Review.order_id == order_id)
        return list(await self._session.scalars(mine.order_by(Review.opened_at, Review.id)))

    async def listed(self, *, open_only: bool, limit: int) -> list[Review]:
        """Give the queue, oldest first."""
        query = select(Review).order_by(Review.opened_at, Review.id).limit(limit)
        return list(
            await self._session.scalars(query.where(Review.resolved_at.is_(None)) if open_only else query)
        )

    async def resolve(self, review_id: UUID, resolution: str, note: str, *, now: datetime) -> bool:
        """Write down a decision, once."""
        return await _changed_one(
            self._session,
            Review,
            Review.id == review_id,
            Review.resolved_at.is_(None),
            resolved_at=now,
            resolution=resolution,
            note=note,
        )


def _when_said(price: Price) -> tuple[datetime, int]:
    return price.as_of or _NEVER, price.version


async def _changed_one(
    session: AsyncSession, entity: type[OrdersBase], *conditions: ColumnElement[bool], **values: Any
) -> bool:
    """Change one row if the conditions hold at this very moment, and tell whether they did."""
    statement = update(entity).where(*conditions).values(**values)
    done = await session.execute(statement, execution_options={"synchronize_session": False})
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]
