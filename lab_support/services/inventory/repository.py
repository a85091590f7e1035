"""The rows of Inventory that one open transaction can see and change. Nothing here commits.

Each change and its condition are one statement, so nobody can come between them. Everybody touches the reservation
first and then the products by their skus: two orders that share products meet at the first of them.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import CursorResult, Table, Update, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database.inserts import insert_if_absent, insert_rows
from lab_support.repositories import KeysetPage, SqlAlchemyRepository
from lab_support.services.inventory.entities import (
    CANCELLED,
    REFUSED,
    RELEASED,
    RESERVED,
    SETTLED,
    Reservation,
    ReservationLine,
    Stock,
)

# Made once: each order needs it, and to put a statement together takes longer than to send it. It names the table and
# not the class: an UPDATE of a class is made ready for the ORM at every execution, and here no object has to follow.
_STOCK: Final = cast("Table", Stock.__table__)
_TAKE: Final = (
    update(_STOCK)
    .where(
        _STOCK.c.sku == bindparam("product"),
        _STOCK.c.available >= bindparam("pieces"),
        ~_STOCK.c.discontinued,
    )
    .values(available=_STOCK.c.available - bindparam("pieces"))
)


class StockRepository(SqlAlchemyRepository[Stock, str]):
    """What is in the warehouse."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, Stock)

    async def page(self, *, after: str | None = None, limit: int = 100) -> KeysetPage[Stock, str]:
        """Give at most `limit` products, from those with a sku after `after`."""
        return await self._page(after=after, limit=limit)

    async def these(self, skus: Collection[str]) -> Sequence[Stock]:
        """Give those of these products that the warehouse has, in the order of their skus."""
        return (
            await self._session.scalars(select(Stock).where(Stock.sku.in_(skus)).order_by(Stock.sku))
        ).all()

    async def put(self, sku: str, available: int, *, discontinued: bool) -> bool:
        """Say how many pieces of a product there are; True when it is new in the warehouse."""
        values = {"available": available, "discontinued": discontinued}
        if await insert_if_absent(self._session, Stock, sku=sku, **values):
            return True
        await _changed(self._session, update(Stock).where(Stock.sku == sku).values(**values))
        return False

    async def take(self, sku: str, quantity: int) -> bool:
        """Take pieces off the shelf if there are so many and the product is not discontinued; tell whether."""
        return await _changed(self._session, _TAKE, {"product": sku, "pieces": quantity})

    async def put_back(self, sku: str, quantity: int) -> bool:
        """Put pieces back on the shelf; False when the product is gone or discontinued, so there is no shelf."""
        there = (Stock.sku == sku, Stock.discontinued.is_(False))
        more = Stock.available + quantity
        return await _changed(self._session, update(Stock).where(*there).values(available=more))

    async def is_discontinued(self, sku: str) -> bool | None:
        """Tell whether a product is discontinued; None when the warehouse has no such product."""
        return await self._session.scalar(select(Stock.discontinued).where(Stock.sku == sku))

    async def reserved(self, skus: Collection[str]) -> Mapping[str, int]:
        """Add up the pieces that are reserved, by product; what has none reserved is left out."""
        rows = await self._session.execute(
            select(ReservationLine.sku, func.sum(ReservationLine.quantity))
            .join(Reservation, Reservation.order_id == ReservationLine.order_id)
            .where(ReservationLine.sku.in_(skus), Reservation.status == RESERVED)
            .group_by(ReservationLine.sku)
        )
        return {sku: int(pieces) for sku, pieces in rows}


class ReservationRepository:
    """What was decided about the pieces of each order."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def begin(self, order_id: UUID, pay_by: str) -> bool:
        """Note a reservation and lock it; False when something was decided about the order before."""
        return await insert_if_absent(
            self._session, Reservation, order_id=order_id, pay_by=pay_by, status=RESERVED
        )

    async def cancel(self, order_id: UUID) -> bool:
        """Put up a tombstone, so that nothing is reserved later; False when something was decided before."""
        return await insert_if_absent(self._session, Reservation, order_id=order_id, status=CANCELLED)

    async def get(self, order_id: UUID, *, for_update: bool = False) -> Reservation | None:
        """Read what was decided, as it is now; `for_update` keeps others from changing it."""
        query = select(Reservation).where(Reservation.order_id == order_id)
        query = query.execution_options(populate_existing=True)
        return await self._session.scalar(query.with_for_update() if for_update else query)

    async def of(self, order_ids: Collection[UUID]) -> Sequence[Reservation]:
        """Read what was decided about these orders, in the order of their ids."""
        mine = select(Reservation).where(Reservation.order_id.in_(order_ids))
        return (await self._session.scalars(mine.order_by(Reservation.order_id))).all()

    async def refuse(self, order_id: UUID, sku: str, reason: str) -> bool:
        """Turn a reservation into a refusal."""
        return await self._change(order_id, status=REFUSED, sku=sku, reason=reason)

    async def release(self, order_id: UUID) -> bool:
        """End a reservation because its order failed."""
        return await self._change(order_id, status=RELEASED)

    async def settle(self, order_id: UUID) -> bool:
        """End a reservation because a person has made it good by hand."""
        return await self._change(order_id, status=SETTLED)

    async def add_pieces(self, order_id: UUID, pieces: Mapping[str, int]) -> None:
        """Note which pieces were taken: one statement, however many products."""
        rows = [{"order_id": order_id, "sku": sku, "quantity": many} for sku, many in pieces.items()]
        await insert_rows(self._session, ReservationLine, rows)

    async def pieces(self, order_id: UUID, *, for_update: bool = False) -> dict[str, int]:
        """Read which pieces were taken, in the order of their skus."""
        line = ReservationLine
        query = select(line.sku, line.quantity).where(line.order_id == order_id).order_by(line.sku)
        rows = await self._session.execute(query.with_for_update() if for_update else query)
        return {row.sku: row.quantity for row in rows}

    async def _change(self, order_id: UUID, **values: Any) -> bool:
        mine = (Reservation.order_id == order_id, Reservation.status == RESERVED)
        return await _changed(self._session, update(Reservation).where(*mine).values(**values))


async def _changed(
    session: AsyncSession, statement: Update, parameters: Mapping[str, Any] | None = None
) -> bool:
    done = await session.execute(statement, parameters, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", done).rowcount == 1
