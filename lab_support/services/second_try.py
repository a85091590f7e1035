"""How what was given up is tried again.

Section:
    13.5, "The relay"; 13.6, "A compensation that fails"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select

from lab_support.database import retry_transaction, unit_of_work, utc_now
from lab_support.messaging import Consumer, OutboxMixin, retry_parked
from lab_support.sagas import CompensationMixin
from lab_support.sagas.compensations import resolve
from lab_support.services.left_over import MOST, LeftOver, Sessions
from lab_support.services.orders.desk import Desk
from lab_support.services.orders.errors import ReviewResolvedError

_NOTE = "tried again by `lab outbox --retry`"


async def retry_outbox(sessions: Sessions, outbox: type[OutboxMixin], chosen: Collection[LeftOver]) -> None:
    """Give parked rows all their attempts again; whichever relay runs takes them.

    Raises:
        RetriesExhaustedError: Others were in the way.
    """
    ids = [UUID(one.id) for one in chosen]

    async def change() -> None:
        async with unit_of_work(sessions) as uow:
            await retry_parked(uow.session, outbox, ids)
            await uow.commit()

    if ids:
        await retry_transaction(change)


async def retry_inbox(consumers: Mapping[str, Consumer], chosen: Collection[LeftOver]) -> list[str]:
    """Give parked events their effect, each in a transaction of its own; return a line for each that failed."""
    failed = []
    for one in chosen:
        consumer = consumers.get(one.consumer)
        if consumer is None:
            failed.append(f"{one.type} {one.id}: nobody is called '{one.consumer}' here any more.")
            continue
        try:
            await consumer.retry_parked([UUID(one.id)])
        except Exception as error:
            failed.append(f"{one.type} {one.id} failed again: {type(error).__name__}: {error}")
    return failed


async def retry_compensation(
    sessions: Sessions, table: type[CompensationMixin], one: LeftOver, desk: Desk | None
) -> None:
    """Have a compensation in review tried again, by Orders' queue of reviews if it is there, so that both agree.

    Args:
        sessions: On the participant's database.
        table: Its compensations.
        one: Which one.
        desk: Of Orders; None when its database can't be reached.

    Raises:
        RetriesExhaustedError: Others were in the way.
    """
    async with sessions() as session:
        subject = await session.scalar(select(table.subject).where(table.id == UUID(one.id)))
    if subject is None or (desk is not None and await _decided(desk, one, subject)):
        return

    async def change() -> None:
        async with unit_of_work(sessions) as uow:
            await resolve(
                uow.session, table, subject=subject, action=one.type, resolution="retry", now=utc_now()
            )
            await uow.commit()

    await retry_transaction(change)


async def _decided(desk: Desk, one: LeftOver, subject: str) -> bool:
    """Decide the open review of a compensation; False when there is none."""
    wanted = (subject, one.service, one.type)
    for review in await desk.reviews.listed(open_only=True, limit=MOST):
        if (str(review.order_id), review.service, review.action) == wanted:
            try:
                await desk.reviews.resolve(review.id, "retry", _NOTE)
            except ReviewResolvedError:
                return False  # somebody was quicker, and may have settled it
            return True
    return False
