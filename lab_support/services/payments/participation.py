"""Payments' part in the conversation: what it publishes, what it hears, what it does by itself.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.messaging import Bus, Relay
from lab_support.sagas.retries import RetryPolicy
from lab_support.services.participant import Around, Participant
from lab_support.services.payments.charge_settings import ChargeSettings
from lab_support.services.payments.charging import ChargeWorker
from lab_support.services.payments.entities import OutboxMessage
from lab_support.services.payments.handlers import NAME, listeners
from lab_support.services.payments.provider import PaymentProvider
from lab_support.services.payments.refunds import Refunds
from lab_support.services.payments.service import PaymentService


def participate(
    sessions: async_sessionmaker[AsyncSession],
    bus: Bus,
    *,
    provider: PaymentProvider,
    around: Around | None = None,
    charging: ChargeSettings | None = None,
    refunding: RetryPolicy | None = None,
) -> Participant:
    """Put together what Payments does; nothing runs, and nothing connects, before it is told to.

    Args:
        sessions: On the database of Payments.
        bus: Where its relay publishes.
        provider: Who moves the money; it is open.
        around: Clock, waits and chance.
        charging: How the provider is asked for a charge.
        refunding: How often, and when again, it is asked for a refund.
    """
    around = around or Around()
    chance: dict[str, Any] = {"clock": around.clock, "sleep": around.sleep, "random": around.random}
    relay = Relay(sessions, OutboxMessage, bus, settings=around.relay, **chance)
    refunds = Refunds(sessions, provider, policy=refunding, wake=relay.wake, **chance)
    charges = ChargeWorker(
        sessions, provider, settings=charging, wake=relay.wake, gave_up=refunds.wake, **chance
    )

    def work() -> None:
        charges.wake()
        refunds.wake()

    heard = listeners(sessions, PaymentService(clock=around.clock), wake=relay.wake, work=work)
    return Participant(name=NAME, relay=relay, listeners=heard, workers=(charges, refunds))
