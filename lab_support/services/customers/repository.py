"""The rows of Customers that one open transaction can see and change. Nothing here commits.

Each change and its condition are one statement, so nobody can come between them. Whoever touches a reservation and a
customer touches the reservation first: two that share both wait for each other at the first.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Table,
    Update,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database.inserts import insert_if_absent
from lab_support.repositories import KeysetPage, SqlAlchemyRepository
from lab_support.services.customers.entities import (
    CANCELLED,
    REFUSED,
    RELEASED,
    RESERVED,
    SETTLED,
    CreditReservation,
    Customer,
    Letter,
)

# Made once: each order needs these, and to put a statement together takes longer than to send it. They name tables and
# not classes: an UPDATE of a class is made ready for the ORM at every execution, and here no object has to follow.
_CUSTOMERS: Final = cast("Table", Customer.__table__)
_RESERVATIONS: Final = cast("Table", CreditReservation.__table__)
# SQLite calculates with binary fractions: without rounding, 0.30 - 0.10 would not be enough for 0.20.
_TAKE_CREDIT: Final = (
    update(_CUSTOMERS)
    .where(
        _CUSTOMERS.c.id == bindparam("customer"),
        _CUSTOMERS.c.credit >= bindparam("price"),
        ~_CUSTOMERS.c.blocked,
    )
    .values(credit=func.round(_CUSTOMERS.c.credit - bindparam("price"), 2))
)
_NOTE_ORDER: Final = (
    update(_CUSTOMERS)
    .where(
        _CUSTOMERS.c.id == bindparam("customer"),
        or_(
            _CUSTOMERS.c.last_order_at.is_(None),
            _CUSTOMERS.c.last_order_at < bindparam("taken_at"),
            and_(
                _CUSTOMERS.c.last_order_at == bindparam("taken_at"),
                _CUSTOMERS.c.last_order_id < bindparam("order"),
            ),
        ),
    )
    .values(last_order_at=bindparam("taken_at"), last_order_id=bindparam("order"))
)
_CONFIRM: Final = (
    update(_RESERVATIONS)
    .where(_RESERVATIONS.c.order_id == bindparam("order"), _RESERVATIONS.c.status == RESERVED)
    .values(confirmed_at=bindparam("now"))
)


class CustomerRepository(SqlAlchemyRepository[Customer, str]):
    """Customers and their credit."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, Customer)

    async def page(self, *, after: str | None = None, limit: int = 100) -> KeysetPage[Customer, str]:
        """Give at most `limit` customers, from those with an id above `after`."""
        return await self._page(after=after, limit=limit)

    async def take_credit(self, customer_id: str, amount: Decimal) -> bool:
        """Take an amount from somebody's credit if it is enough and the account not blocked; tell whether it was."""
        return await _changed(self._session, _TAKE_CREDIT, {"customer": customer_id, "price": amount})

    async def give_credit(self, customer_id: str, amount: Decimal) -> bool:
        """Add an amount to somebody's credit, blocked or not; tell whether the customer is there."""
        more = func.round(Customer.credit + amount, 2)
        return await _changed(
            self._session, update(Customer).where(Customer.id == customer_id).values(credit=more)
        )

    async def note_order(self, customer_id: str, order_id: UUID, taken_at: datetime) -> bool:
        """Note an order as somebody's last one, unless a newer one is known; tell whether it is the last."""
        noted = {"customer": customer_id, "taken_at": taken_at, "order": order_id}
        return await _changed(self._session, _NOTE_ORDER, noted)

    async def is_blocked(self, customer_id: str) -> bool | None:
        """Tell whether an account is blocked; None when nobody has this id."""
        return await self._session.scalar(select(Customer.blocked).where(Customer.id == customer_id))

    async def standing(self, customer_id: str, order_id: UUID) -> tuple[bool | None, bool]:
        """Tell with one query whether an account is blocked (None: unknown), and whether an order was cancelled."""
        blocked = select(Customer.blocked).where(Customer.id == customer_id).scalar_subquery()
        cancelled = exists().where(
            CreditReservation.order_id == order_id, CreditReservation.status == CANCELLED
        )
        found = (await self._session.execute(select(blocked, cancelled))).one()
        return found[0], bool(found[1])


class ReservationRepository:
    """What was decided about the credit of each order."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def begin(self, order_id: UUID, customer_id: str, amount: Decimal) -> bool:
        """Note a reservation and lock it; False when something was decided about the order before."""
        return await insert_if_absent(
            self._session,
            CreditReservation,
            order_id=order_id,
            customer_id=customer_id,
            amount=amount,
            status=RESERVED,
        )

    async def cancel(self, order_id: UUID, customer_id: str | None) -> bool:
        """Put up a tombstone, so that nothing is reserved later; False when something was decided before."""
        return await insert_if_absent(
            self._session, CreditReservation, order_id=order_id, customer_id=customer_id, status=CANCELLED
        )

    async def get(self, order_id: UUID, *, for_update: bool = False) -> CreditReservation | None:
        """Read what was decided, as it is now; `for_update` keeps others from changing it."""
        query = select(CreditReservation).where(CreditReservation.order_id == order_id)
        query = query.execution_options(populate_existing=True)
        return await self._session.scalar(query.with_for_update() if for_update else query)

    async def refuse(self, order_id: UUID, reason: str) -> bool:
        """Turn a reservation into a refusal."""
        return await self._change(order_id, status=REFUSED, reason=reason)

    async def release(self, order_id: UUID) -> bool:
        """End a reservation because its order failed."""
        return await self._change(order_id, CreditReservation.confirmed_at.is_(None), status=RELEASED)

    async def settle(self, order_id: UUID) -> bool:
        """End a reservation because a person has made it good by hand."""
        return await self._change(order_id, CreditReservation.confirmed_at.is_(None), status=SETTLED)

    async def confirm(self, order_id: UUID, now: datetime) -> bool:
        """Note that the order stands."""
        return await _changed(self._session, _CONFIRM, {"order": order_id, "now": now})

    async def reserved(self, customer_ids: Collection[str]) -> Mapping[str, Decimal]:
        """Add up what is reserved, by customer; who has nothing reserved is left out."""
        total = func.round(func.sum(CreditReservation.amount), 2)
        rows = await self._session.execute(
            select(CreditReservation.customer_id, total.cast(CreditReservation.amount.type))
            .where(CreditReservation.customer_id.in_(customer_ids), CreditReservation.status == RESERVED)
            .group_by(CreditReservation.customer_id)
        )
        return {row[0]: row[1] for row in rows}

    async def _change(self, order_id: UUID, *more: ColumnElement[bool], **values: Any) -> bool:
        mine = (CreditReservation.order_id == order_id, CreditReservation.status == RESERVED, *more)
        return await _changed(self._session, update(CreditReservation).where(*mine).values(**values))


async def send_letter(
    session: AsyncSession, order_id: UUID, customer_id: str, *, kind: str, now: datetime
) -> bool:
    """Write the one letter of an order; False when it was written before."""
    return await insert_if_absent(
        session, Letter, order_id=order_id, customer_id=customer_id, kind=kind, sent_at=now
    )


async def _changed(
    session: AsyncSession, statement: Update, parameters: Mapping[str, Any] | None = None
) -> bool:
    done = await session.execute(statement, parameters, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", done).rowcount == 1
