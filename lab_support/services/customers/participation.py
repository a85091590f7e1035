"""Customers' part in the conversation of the services: relay, listeners, compensator.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "A compensation that fails"
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import Bus, Consumer, Listener, Relay
from lab_support.sagas import Compensator, RetryPolicy
from lab_support.services.customers.credit import release_credit, release_failed
from lab_support.services.customers.entities import CompensationTask, InboxMessage, OutboxMessage
from lab_support.services.customers.events import COMMANDS, EVENTS, REPLIES
from lab_support.services.customers.handlers import HEARS, NAME, OBEYS, Reactions
from lab_support.services.participant import Around, Participant
from lab_support.services.vocabulary import RELEASE_CREDIT
from lab_support.settings import Settings


def participate(
    sessions: async_sessionmaker[AsyncSession],
    bus: Bus,
    *,
    settings: Settings,  # noqa: ARG001 - every service is called alike
    around: Around | None = None,
    policy: RetryPolicy | None = None,
) -> Participant:
    """Put Customers' part together; nothing connects and nothing runs yet.

    Commands have an inbox name of their own, because their answers go to `order.replies`.

    Args:
        sessions: On Customers' database.
        bus: Where its relay publishes.
        settings: The application's.
        around: Clock, waits and chance.
        policy: How often a compensation is tried.
    """
    around = around or Around()
    waits: dict[str, Any] = {"clock": around.clock, "sleep": around.sleep, "random": around.random}
    relay = Relay(sessions, OutboxMessage, bus, settings=around.relay, **waits)
    compensator = Compensator(
        sessions,
        OutboxMessage,
        CompensationTask,
        {RELEASE_CREDIT: release_credit},
        failed=release_failed,
        policy=policy,
        wake=relay.wake,
        **waits,
    )
    reactions = Reactions(clock=around.clock, wake=compensator.wake)
    common: dict[str, Any] = {
        "sessions": sessions,
        "inbox": InboxMessage,
        "outbox": OutboxMessage,
        "types": EVENTS,
        "wake": relay.wake,
    }
    hears = Consumer(name=NAME, only=HEARS, effect=reactions.to_event, **common)
    obeys = Consumer(
        name=COMMANDS, only=OBEYS, effect=reactions.to_command, topic_of=lambda _event: REPLIES, **common
    )
    listeners = [
        Listener("order", NAME, hears),
        Listener("stock", NAME, hears),
        Listener(COMMANDS, NAME, obeys),
    ]
    return Participant(name=NAME, relay=relay, listeners=listeners, workers=[compensator])
