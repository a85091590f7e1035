"""The payments that one open transaction can see. It adds, finds and changes on conditions; it never commits.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database.inserts import insert_if_absent
from lab_support.messaging import Event
from lab_support.services.payments.entities import CANCELLED, REQUESTED, CompensationTask, Payment
from lab_support.services.payments.events import ChargePayment, CustomerVerified
from lab_support.services.vocabulary import REFUND_PAYMENT


class PaymentRepository:
    """Payments as rows, one for each order."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, order_id: UUID) -> Payment | None:
        """Give the payment of an order."""
        return await self._session.get(Payment, order_id)

    async def find_for_update(self, order_id: UUID) -> Payment | None:
        """Give the payment of an order as it is now, and keep others from changing it."""
        return await self._session.get(Payment, order_id, with_for_update=True, populate_existing=True)

    async def refund_of(self, order_id: UUID) -> CompensationTask | None:
        """Give the promise to refund an order."""
        mine = (CompensationTask.subject == str(order_id), CompensationTask.action == REFUND_PAYMENT)
        return (await self._session.scalars(select(CompensationTask).where(*mine))).one_or_none()

    async def refunds_of(self, order_ids: Collection[UUID]) -> Mapping[str, CompensationTask]:
        """Give the promises to refund these orders, by the order's id as text."""
        subjects = [str(one) for one in order_ids]
        mine = (CompensationTask.subject.in_(subjects), CompensationTask.action == REFUND_PAYMENT)
        found = await self._session.scalars(select(CompensationTask).where(*mine))
        return {one.subject: one for one in found}

    async def of(self, order_ids: Collection[UUID]) -> Sequence[Payment]:
        """Give the payments of these orders, as they are now."""
        fresh = (
            select(Payment).where(Payment.order_id.in_(order_ids)).execution_options(populate_existing=True)
        )
        return (await self._session.scalars(fresh)).all()

    async def due(self, now: datetime, limit: int) -> Sequence[Row[UUID, int]]:
        """List the payments for which the provider is to be asked, longest waiting first: id and attempts."""
        columns = select(Payment.order_id, Payment.attempts)
        due = columns.where(Payment.status == REQUESTED, Payment.next_try_at <= now)
        return (await self._session.execute(due.order_by(Payment.next_try_at).limit(limit))).all()

    async def request(
        self, payload: CustomerVerified | ChargePayment, event: Event, *, reply_to: str | None, now: datetime
    ) -> bool:
        """Note what is to be charged; False when the order has a payment, or a tombstone, already."""
        return await self._add(
            payload.order_id,
            customer_id=payload.customer_id,
            amount=payload.amount,
            status=REQUESTED,
            next_try_at=now,
            request=event.model_dump(mode="json"),
            reply_to=reply_to,
        )

    async def bury(self, order_id: UUID) -> bool:
        """Leave a tombstone for an order without a payment; False when it has one."""
        return await self._add(order_id, status=CANCELLED)

    async def change(self, order_id: UUID, *conditions: ColumnElement[bool], **columns: Any) -> bool:
        """Change a payment that the provider has not answered about, if the conditions hold too."""
        result = await self._session.execute(
            update(Payment)
            .where(Payment.order_id == order_id, Payment.status == REQUESTED, *conditions)
            .values(columns)
            .execution_options(synchronize_session=False)
        )
        return bool(result.rowcount == 1)  # type: ignore[attr-defined]

    async def _add(self, order_id: UUID, **columns: Any) -> bool:
        row = {"order_id": order_id, "payment_id": uuid4(), "attempts": 0, **columns}
        return await insert_if_absent(self._session, Payment, **row)
