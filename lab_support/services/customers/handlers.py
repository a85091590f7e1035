"""How Customers reacts to what it hears. Each reaction is one transaction that begins with the inbox.

Messages come in any order, and more than once. What was decided about an order is a row, so a message that comes late
finds it; what has to be made good is a row too, one for each order.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event as sqlalchemy_event

from lab_support.database import UnitOfWork
from lab_support.messaging import Event
from lab_support.sagas import register, resolve
from lab_support.services.customers.credit import (
    Purchase,
    repeat_decision,
    repeat_release,
    reserve,
    verify,
)
from lab_support.services.customers.entities import CompensationTask
from lab_support.services.customers.events import (
    REPLIES,
    OrderApproved,
    OrderConfirmed,
    OrderCreated,
    OrderFailed,
    ReleaseCredit,
    ReserveCredit,
    ReviewResolved,
    StockUnavailable,
    VerifyCustomer,
)
from lab_support.services.customers.repository import (
    CustomerRepository,
    ReservationRepository,
    send_letter,
)
from lab_support.services.vocabulary import RELEASE_CREDIT

NAME: Final = "customers"
HEARS: Final = frozenset(
    one.__name__
    for one in (OrderCreated, OrderApproved, OrderConfirmed, OrderFailed, StockUnavailable, ReviewResolved)
)
OBEYS: Final = frozenset(one.__name__ for one in (VerifyCustomer, ReserveCredit, ReleaseCredit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """What Customers does about each kind of message.

    Attributes:
        clock: Gives this moment, aware.
        wake: Called after the commit that made a compensation due.
    """

    clock: Callable[[], datetime]
    wake: Callable[[], None]

    async def to_event(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """React to something that has happened."""
        await self._react(uow, event, payload)
        if isinstance(payload, OrderCreated):
            customers = CustomerRepository(uow.session)
            await customers.note_order(payload.customer_id, payload.order_id, event.occurred_at)

    async def _react(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        match payload:
            case OrderCreated(coordination="choreography", pay_by="credit"):
                await reserve(uow, Purchase.of(payload), event)
            case OrderCreated(coordination="choreography"):
                await verify(uow, Purchase.of(payload), event)
            case OrderApproved() | OrderConfirmed():
                await self._order_stands(uow, payload.order_id, payload.customer_id)
            case StockUnavailable():
                await self._promise_release(uow, payload.order_id, event)
            case OrderFailed() if RELEASE_CREDIT in payload.compensate:
                await self._promise_release(uow, payload.order_id, event)
            case OrderFailed():
                await ReservationRepository(uow.session).cancel(payload.order_id, payload.customer_id)
            case ReviewResolved(service="customers"):
                await self._resolve(uow, payload)

    async def to_command(self, uow: UnitOfWork, command: Event, payload: Any) -> None:
        """Do what an orchestrator asks for; asked again, tell again what came of it."""
        match payload:
            case VerifyCustomer():
                await verify(uow, Purchase.of(payload), command)
            case ReserveCredit():
                if not await reserve(uow, Purchase.of(payload), command):
                    await repeat_decision(uow, Purchase.of(payload), command)
            case ReleaseCredit():
                if not await self._promise_release(uow, payload.order_id, command, reply_to=REPLIES):
                    await repeat_release(uow, payload, command)

    async def _order_stands(self, uow: UnitOfWork, order_id: UUID, customer_id: str) -> None:
        now = self.clock()
        await ReservationRepository(uow.session).confirm(order_id, now)
        await send_letter(uow.session, order_id, customer_id, kind="confirmation", now=now)

    async def _promise_release(
        self, uow: UnitOfWork, order_id: UUID, event: Event, *, reply_to: str | None = None
    ) -> bool:
        self._wake_after_commit(uow)
        return await register(
            uow.session,
            CompensationTask,
            subject=str(order_id),
            action=RELEASE_CREDIT,
            event=event,
            now=self.clock(),
            reply_to=reply_to,
        )

    async def _resolve(self, uow: UnitOfWork, resolved: ReviewResolved) -> None:
        self._wake_after_commit(uow)
        changed = await resolve(
            uow.session,
            CompensationTask,
            subject=str(resolved.order_id),
            action=resolved.action,
            resolution=resolved.resolution,
            now=self.clock(),
        )
        if changed and resolved.resolution == "settled":
            await ReservationRepository(uow.session).settle(resolved.order_id)

    def _wake_after_commit(self, uow: UnitOfWork) -> None:
        sqlalchemy_event.listen(uow.session.sync_session, "after_commit", lambda _session: self.wake())
