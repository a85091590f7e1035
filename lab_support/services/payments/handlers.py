"""What Payments listens to; each event has its effect once, however often it comes.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database import UnitOfWork
from lab_support.messaging import Consumer, Event, EventTypes, Listener
from lab_support.services.payments.entities import InboxMessage, OutboxMessage
from lab_support.services.payments.events import (
    COMMANDED,
    COMMANDS,
    EVENTS,
    READ,
    REPLIES,
    ChargePayment,
    CustomerVerified,
    InventoryReservationFailed,
    OrderFailed,
    RefundPayment,
    ReviewResolved,
)
from lab_support.services.payments.service import PaymentService
from lab_support.services.vocabulary import REFUND_PAYMENT

NAME: Final = "payments"
TOPICS: Final = ("customer", "stock", "order")
HEARS: Final = frozenset(one.__name__ for one in READ)

OBEYS: Final = EventTypes()
"""All that may be commanded; anything else under that topic is parked."""
for _model in COMMANDED:
    OBEYS.register(_model)


class Reactions:
    """What each event makes Payments do.

    Args:
        service: Its use cases.
        work: Called after a commit that may have left something to do for a worker.
    """

    def __init__(self, service: PaymentService, work: Callable[[], None]) -> None:
        self._service, self._work = service, work

    async def to_event(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """React to what another service tells."""
        match payload:
            case CustomerVerified():
                await self._service.request_charge(uow, event, payload)
            case InventoryReservationFailed():
                await self._service.request_refund(uow, event, payload.order_id)
            case OrderFailed() if REFUND_PAYMENT in payload.compensate:
                await self._service.request_refund(uow, event, payload.order_id)
            case ReviewResolved() if payload.service == NAME:
                await self._service.resolve_review(uow, payload)
            case _:
                return
        self._afterwards(uow)

    async def to_command(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """Do what the orchestrator asks for; the answer goes to it alone."""
        match payload:
            case ChargePayment():
                await self._service.request_charge(uow, event, payload, reply_to=REPLIES)
            case RefundPayment():
                await self._service.request_refund(uow, event, payload.order_id, reply_to=REPLIES)
        self._afterwards(uow)

    def _afterwards(self, uow: UnitOfWork) -> None:
        def committed(_session: Any) -> None:
            self._work()

        sqlalchemy_event.listen(uow.session.sync_session, "after_commit", committed)


def listeners(
    sessions: async_sessionmaker[AsyncSession],
    service: PaymentService,
    *,
    wake: Callable[[], None] | None = None,
    work: Callable[[], None] = lambda: None,
) -> list[Listener]:
    """Give what Payments wants to hear.

    Commands have an inbox name of their own, because their answers go to `order.replies`.

    Args:
        sessions: On the database of Payments.
        service: Its use cases.
        wake: The relay's.
        work: Wakes the workers.
    """
    reactions = Reactions(service, work)
    common: dict[str, Any] = {
        "sessions": sessions,
        "inbox": InboxMessage,
        "outbox": OutboxMessage,
        "wake": wake,
    }
    hears = Consumer(name=NAME, types=EVENTS, only=HEARS, effect=reactions.to_event, **common)
    obeys = Consumer(
        name=COMMANDS, types=OBEYS, effect=reactions.to_command, topic_of=lambda _event: REPLIES, **common
    )
    return [*(Listener(topic, NAME, hears) for topic in TOPICS), Listener(COMMANDS, NAME, obeys)]
