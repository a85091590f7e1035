"""How Inventory reacts to what it hears. Each reaction is one transaction that begins with the inbox.

Messages come in any order, and more than once. What was decided about an order is a row, so a message that comes late
finds it; what has to be put back is a row too, one for each order.

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
from lab_support.services.inventory.entities import CompensationTask
from lab_support.services.inventory.events import (
    REPLIES,
    CustomerCreditReserved,
    OrderFailed,
    PaymentSuccessful,
    ReleaseStock,
    ReserveStock,
    ReviewResolved,
)
from lab_support.services.inventory.mapping import quantities
from lab_support.services.inventory.repository import ReservationRepository
from lab_support.services.inventory.reserving import Wanted, repeat_decision, repeat_release, reserve
from lab_support.services.vocabulary import RELEASE_STOCK

NAME: Final = "inventory"
HEARS: Final = frozenset(
    one.__name__ for one in (CustomerCreditReserved, PaymentSuccessful, OrderFailed, ReviewResolved)
)
OBEYS: Final = frozenset(one.__name__ for one in (ReserveStock, ReleaseStock))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """What Inventory does about each kind of message.

    Attributes:
        clock: Gives this moment, aware.
        wake: Called after the commit that made a compensation due.
    """

    clock: Callable[[], datetime]
    wake: Callable[[], None]

    async def to_event(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """React to something that has happened."""
        match payload:
            case CustomerCreditReserved():
                await reserve(uow, Wanted(payload.order_id, "credit", quantities(payload.items)), event)
            case PaymentSuccessful():
                await reserve(uow, Wanted(payload.order_id, "card", quantities(payload.items)), event)
            case OrderFailed() if RELEASE_STOCK in payload.compensate:
                await self._promise_release(uow, payload.order_id, event)
            case ReviewResolved(service="inventory"):
                await self._resolve(uow, payload)

    async def to_command(self, uow: UnitOfWork, command: Event, payload: Any) -> None:
        """Do what an orchestrator asks for; asked again, tell again what came of it."""
        match payload:
            case ReserveStock():
                wanted = Wanted(payload.order_id, payload.pay_by, quantities(payload.items))
                if not await reserve(uow, wanted, command):
                    await repeat_decision(uow, wanted, command)
            case ReleaseStock():
                if not await self._promise_release(uow, payload.order_id, command, reply_to=REPLIES):
                    await repeat_release(uow, payload.order_id, command)

    async def _promise_release(
        self, uow: UnitOfWork, order_id: UUID, event: Event, *, reply_to: str | None = None
    ) -> bool:
        self._wake_after_commit(uow)
        return await register(
            uow.session,
            CompensationTask,
            subject=str(order_id),
            action=RELEASE_STOCK,
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
