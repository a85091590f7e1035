"""Payments with its tables, a provider and a clock that moves only when it is told to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import session_factory
from lab_support.messaging import Event, Message
from lab_support.sagas import RetryPolicy
from lab_support.services.participant import Around, Participant
from lab_support.services.payments.charge_settings import ChargeSettings
from lab_support.services.payments.entities import CompensationTask, OutboxMessage, Payment
from lab_support.services.payments.participation import participate
from lab_support.services.payments.provider import PaymentProvider, Receipt
from lab_support.services.payments.simulated_provider import SimulatedProvider

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
"""For what no engine decides."""
MOMENT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
AMOUNT = Decimal("49.80")
ITEMS = [{"sku": "LAMP-7", "quantity": 2}]
LIMIT_S = 30
RETRY = RetryPolicy(attempts=3, backoff_s=1.0, longest_s=10.0)
PLACES: list[dict[str, Any]] = [
    {"at_commit": True},
    {"after_commit": True},
    *({"after_statement": k} for k in range(1, 30)),  # a test ends at the first that is not reached
]
ANNOUNCED = {
    "CustomerVerified": "customer",
    "InventoryReservationFailed": "stock",
    "OrderFailed": "order",
    "ReviewResolved": "order",
    "ChargePayment": "payment.commands",
    "RefundPayment": "payment.commands",
}


class Clock:
    """The time, as a test wants it."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class NoBus:
    """Carries nothing: these tests read the outbox."""

    async def publish(self, batch: Sequence[Message]) -> None:
        raise AssertionError("Nothing is relayed here.")


@dataclass
class Till:
    """Payments as one process has it, with everything around it."""

    engine: AsyncEngine
    provider: PaymentProvider
    clock: Clock = field(default_factory=Clock)
    charging: ChargeSettings = field(default_factory=lambda: ChargeSettings(retry=RETRY))

    def __post_init__(self) -> None:
        self.sessions = session_factory(self.engine)

    def participant(self) -> Participant:
        """Start the process anew: nothing of an earlier one is in memory."""
        return participate(
            self.sessions,
            NoBus(),  # type: ignore[arg-type]
            provider=self.provider,
            around=Around(clock=self.clock, random=lambda: 0.5),
            charging=self.charging,
            refunding=RETRY,
        )

    async def hears(self, event: Event) -> None:
        """Deliver an event once, to whoever listens to its topic."""
        for listener in self.participant().listeners:
            if listener.topic == ANNOUNCED[event.type]:
                await listener.handler(event)

    async def works(self) -> int:
        """Give each worker one turn; return how much they had to do."""
        return sum([int(str(await worker.turn())) for worker in self.participant().workers])

    async def works_until_idle(self, *, step_s: float = 20.0, most: int = 40) -> None:
        """Give turns, and let time pass when nothing is due, until nothing is left to do."""
        idle = 0
        for _ in range(most):
            idle = 0 if await self.works() else idle + 1
            if idle == 2:
                return
            self.clock.advance(step_s)
        raise AssertionError(f"There was still something to do after {most} turns.")

    async def payment(self, order_id: UUID) -> Payment | None:
        async with self.sessions() as session:
            return await session.get(Payment, order_id)

    async def status(self, order_id: UUID) -> str | None:
        payment = await self.payment(order_id)
        return None if payment is None else payment.status

    async def task(self, order_id: UUID) -> CompensationTask | None:
        mine = select(CompensationTask).where(CompensationTask.subject == str(order_id))
        async with self.sessions() as session:
            return (await session.scalars(mine)).one_or_none()

    async def outbox(self, order_id: UUID | None = None) -> Sequence[OutboxMessage]:
        rows = select(OutboxMessage).order_by(OutboxMessage.seq)
        if order_id is not None:
            rows = rows.where(OutboxMessage.aggregateid == str(order_id))
        async with self.sessions() as session:
            return (await session.scalars(rows)).all()

    async def told(self, order_id: UUID | None = None) -> list[str]:
        return [row.type for row in await self.outbox(order_id)]

    async def kept(self, order_id: UUID) -> Decimal:
        """How much of a customer's money the provider has taken and not given back."""
        receipt = await self.provider.find(str(order_id))
        return Decimal("0.00") if receipt is None else receipt.charged - receipt.refunded


def event(type_: str, order_id: UUID, /, **payload: Any) -> Event:
    """Make an event as another service publishes it."""
    known: dict[str, dict[str, Any]] = {
        "CustomerVerified": {"customer_id": "ada", "amount": str(AMOUNT), "items": ITEMS},
        "ChargePayment": {"customer_id": "ada", "amount": str(AMOUNT), "items": ITEMS},
        "InventoryReservationFailed": {"sku": "LAMP-7", "reason": "OUT_OF_STOCK"},
        "OrderFailed": {
            "customer_id": "ada",
            "failed_step": "reserve-stock",
            "reason": "DEADLINE",
            "compensate": ["release-stock", "refund-payment"],
        },
        "RefundPayment": {"customer_id": "ada"},
    }
    return Event(
        event_id=uuid4(),
        type=type_,
        aggregate_type=ANNOUNCED[type_],
        aggregate_id=str(order_id),
        saga_id=order_id,
        payload={"order_id": str(order_id), **known.get(type_, {}), **payload},
    )


class Watched:
    """Hands everything to a provider, and counts; a hook may come between a call and its answer."""

    def __init__(self, provider: PaymentProvider) -> None:
        self.provider = provider
        self.charges: list[str] = []
        self.refunds: list[str] = []
        self.answered: Any = None

    async def charge(self, key: str, amount: Decimal, *, card: str) -> Receipt:
        self.charges.append(key)
        receipt = await self.provider.charge(key, amount, card=card)
        if self.answered is not None:
            await self.answered()
        return receipt

    async def refund(self, key: str) -> Receipt | None:
        self.refunds.append(key)
        return await self.provider.refund(key)

    async def find(self, key: str) -> Receipt | None:
        return await self.provider.find(key)


@asynccontextmanager
async def open_provider(folder: Path, **options: Any) -> AsyncIterator[SimulatedProvider]:
    async with SimulatedProvider(folder / "provider.db", **options) as provider:
        yield provider
