"""What Orders does when it hears of others: it notes the event, and ends the order when the event decides it.

Events come more than once and in any sequence. The inbox makes repetitions harmless; an order's status changes only
while it waits, so of two events that would end it the first one heard does.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from lab_support.database import UnitOfWork, utc_now
from lab_support.messaging import Event, EventTypes, UnreadableEventError
from lab_support.messaging.inbox import park
from lab_support.services.orders.endings import announce_end
from lab_support.services.orders.entities import InboxMessage
from lab_support.services.orders.events import ABOUT_ORDERS, REPLIES, CompensationFailed
from lab_support.services.orders.orchestration import OrderSagas
from lab_support.services.orders.repository import OrderFacts, OrderRepository
from lab_support.services.orders.review_queue import Failure, open_review
from lab_support.services.orders.states import Ending, reaction_to
from lab_support.services.orders.timeline import keep_timeline

NAME: Final = "orders"
"""The consumer in the inbox, and the group on the bus."""

HEARD = EventTypes()
"""What Orders understands of others about its orders; its own events, sent to it by somebody else, would be forged."""
for _model in ABOUT_ORDERS:
    HEARD.register(_model)


class StrangeEventError(UnreadableEventError):
    """An event about an order that Orders does not have, or under a saga that is not the order's."""

    def __init__(self, event: Event, order_id: UUID, reason: str) -> None:
        self.order_id = order_id
        super().__init__(f"{event!r} speaks of order {order_id}, {reason}. It changed nothing and is parked.")


@dataclass(frozen=True, slots=True)
class Hearing:
    """The effects of what Orders hears; each works in the unit of work of a `Consumer`, which commits.

    Attributes:
        sagas: The orchestrated ones.
        clock: Gives this moment, aware.
    """

    sagas: OrderSagas
    clock: Callable[[], datetime] = utc_now

    async def heard(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """Note what a participant has told everybody, and end the order when this decides it."""
        ending = reaction_to(payload)
        ended = ending is not None and await self._ended(uow, event, payload, ending)
        order = await known_order(uow, event, payload, NAME)
        if order is None:
            return
        now = self.clock()
        keep_timeline(uow, now, order_id=order.id, heard=event)
        if ended and ending is not None:
            announce_end(uow, order, ending, now=now, cause=event)
        if isinstance(payload, CompensationFailed):
            failed = Failure(payload.service, payload.action, payload.reason, payload.attempts)
            await open_review(uow, order.id, order.saga_id, failed, now=now, cause=event)

    async def answered(self, uow: UnitOfWork, event: Event, payload: Any) -> None:
        """Note what a participant has answered to a command, and go on with the saga that waits for it."""
        order = await known_order(uow, event, payload, REPLIES)
        if order is not None:
            keep_timeline(uow, self.clock(), order_id=order.id, heard=event)
            await self.sagas.on_reply(uow, event, payload)

    async def _ended(self, uow: UnitOfWork, event: Event, payload: Any, ending: Ending) -> bool:
        return await OrderRepository(uow.session).end(
            payload.order_id, ending, now=self.clock(), coordination="choreography", saga_id=event.saga_id
        )


async def known_order(uow: UnitOfWork, event: Event, payload: Any, consumer: str) -> OrderFacts | None:
    """Find the order that a received event speaks of; park the event if there is none, or it is of another saga."""
    order = await OrderRepository(uow.session).facts(payload.order_id)
    if order is None:
        why = "which does not exist here"
    elif event.saga_id not in (None, order.saga_id):
        why = f"whose saga is another one than {event.saga_id}"
    else:
        return order
    strange = StrangeEventError(event, payload.order_id, why)
    await park(uow.session, InboxMessage, consumer, event, strange)
    return None
