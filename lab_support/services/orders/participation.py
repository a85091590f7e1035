"""Orders' part in the conversation of the services: relay, listeners, deadlines.

Section:
    13.5, "Sagas: one business operation, many transactions" and "The same operation, orchestrated"
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import Bus, Consumer, Listener, Relay
from lab_support.sagas import Timekeeper
from lab_support.services.orders.deadlines import DeadlineWorker
from lab_support.services.orders.entities import InboxMessage, OutboxMessage
from lab_support.services.orders.events import REPLIES
from lab_support.services.orders.handlers import HEARD, NAME, Hearing
from lab_support.services.orders.orchestration import OrderSagas
from lab_support.services.orders.prices import HEARD as HEARD_OF_PRODUCTS
from lab_support.services.orders.prices import NAME as PRICES
from lab_support.services.orders.prices import TOPIC as PRODUCTS
from lab_support.services.orders.prices import keep_price
from lab_support.services.participant import Around, Participant
from lab_support.settings import Settings

TOPICS: Final = ("customer", "payment", "stock")


def participate(
    sessions: async_sessionmaker[AsyncSession],
    bus: Bus,
    *,
    settings: Settings,
    around: Around | None = None,
) -> Participant:
    """Put Orders' part together; nothing connects and nothing runs yet.

    Both kinds of sagas are listened to, whatever new orders get: those that are under way have to end. Replies have
    an inbox name of their own, so that one which was parked is later tried as a reply.

    Args:
        sessions: On Orders' database.
        bus: Where its relay publishes.
        settings: How long an order may take.
        around: Clock, waits and chance.
    """
    around = around or Around()
    waits: dict[str, Any] = {"clock": around.clock, "sleep": around.sleep, "random": around.random}
    relay = Relay(sessions, OutboxMessage, bus, settings=around.relay, **waits)
    sagas = OrderSagas(deadline_s=settings.order_deadline_s, clock=around.clock, random=around.random)
    hearing = Hearing(sagas, around.clock)
    common: dict[str, Any] = {
        "sessions": sessions,
        "inbox": InboxMessage,
        "outbox": OutboxMessage,
        "wake": relay.wake,
    }
    hears = Consumer(name=NAME, effect=hearing.heard, types=HEARD, **common)
    hears_replies = Consumer(name=REPLIES, effect=hearing.answered, types=HEARD, **common)
    hears_of_products = Consumer(name=PRICES, effect=keep_price, types=HEARD_OF_PRODUCTS, **common)
    timekeeper = Timekeeper(sessions, OutboxMessage, sagas.orchestrator, wake=relay.wake, **waits)
    return Participant(
        name=NAME,
        relay=relay,
        listeners=[
            *(Listener(topic, NAME, hears) for topic in TOPICS),
            Listener(REPLIES, NAME, hears_replies),
            Listener(PRODUCTS, NAME, hears_of_products),
        ],
        workers=[DeadlineWorker(sessions, wake=relay.wake, **waits), timekeeper],
    )
