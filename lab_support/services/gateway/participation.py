"""The gateway's part in the conversation: it listens to everybody, and says nothing.

Section:
    13.9, "CQRS: a read model fed by events"
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import Bus, Consumer, Listener, Relay
from lab_support.services.gateway.entities import InboxMessage, OutboxMessage
from lab_support.services.gateway.events import EVENTS, TOPICS
from lab_support.services.gateway.handlers import HEARS, NAME, Projecting
from lab_support.services.participant import Around, Participant
from lab_support.settings import Settings


def participate(
    sessions: async_sessionmaker[AsyncSession],
    bus: Bus,
    *,
    settings: Settings,  # noqa: ARG001 - every service is called alike
    around: Around | None = None,
) -> Participant:
    """Put the gateway's part together; nothing connects and nothing runs yet.

    Args:
        sessions: On the gateway's database.
        bus: Where it listens.
        settings: The application's.
        around: Clock, waits and chance.
    """
    around = around or Around()
    relay = Relay(
        sessions,
        OutboxMessage,
        bus,
        settings=around.relay,
        clock=around.clock,
        sleep=around.sleep,
        random=around.random,
    )
    consumer = Consumer(
        name=NAME,
        sessions=sessions,
        inbox=InboxMessage,
        outbox=OutboxMessage,
        types=EVENTS,
        only=HEARS,
        effect=Projecting(around.clock).heard,
    )
    return Participant(
        name=NAME, relay=relay, listeners=[Listener(topic, NAME, consumer) for topic in TOPICS]
    )
