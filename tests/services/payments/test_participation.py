"""Payments as it runs: on a bus, woken by what it commits, without a test's helping hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import session_factory
from lab_support.messaging import EmbeddedBus, Event, Message, RelaySettings
from lab_support.services.participant import Around
from lab_support.services.payments.entities import InboxMessage
from lab_support.services.payments.handlers import listeners
from lab_support.services.payments.participation import participate
from lab_support.services.payments.service import PaymentService
from lab_support.services.payments.simulated_provider import SimulatedProvider
from tests.services.payments.paying import ANNOUNCED, LIMIT_S, Till, event, on_sqlite


class Heard:
    """What Payments published, as another service gets it."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def __call__(self, event: Event) -> None:
        await self.events.put(event)

    async def next(self) -> Event:
        async with asyncio.timeout(LIMIT_S):
            return await self.events.get()


@asynccontextmanager
async def running(
    engine: AsyncEngine, provider: SimulatedProvider, bus: EmbeddedBus, heard: Heard
) -> AsyncIterator[None]:
    slow = Around(relay=RelaySettings(poll_s=LIMIT_S))  # only a wake-up makes the relay publish in time
    participant = participate(session_factory(engine), bus, provider=provider, around=slow)
    participant.subscribe(bus)
    for topic in ("payment", "order.replies"):
        bus.subscribe(topic, "test", heard)
    async with bus.running(), participant.running():
        yield


@on_sqlite
async def test_request_and_refund_pass_over_the_bus(
    engine: AsyncEngine, provider: SimulatedProvider, tmp_path: Path
) -> None:
    """Charged, told, failed by another service, refunded, told: nobody gives a turn by hand."""
    order_id, heard = uuid4(), Heard()
    request, reason = event("CustomerVerified", order_id), event("InventoryReservationFailed", order_id)
    async with EmbeddedBus(tmp_path / "bus.db") as bus, running(engine, provider, bus, heard):
        await bus.publish([Message("customer", request)])
        successful = await heard.next()
        await bus.publish([Message("stock", reason)])
        refunded = await heard.next()

    assert (successful.type, successful.causation_id) == ("PaymentSuccessful", request.event_id)
    assert (refunded.type, refunded.causation_id) == ("PaymentRefunded", reason.event_id)
    assert successful.saga_id == refunded.saga_id == order_id


@on_sqlite
@pytest.mark.parametrize(
    ("type_", "payload", "woken"),
    [
        ("CustomerVerified", {}, 1),
        ("ChargePayment", {}, 1),
        ("RefundPayment", {}, 1),
        ("OrderFailed", {}, 1),
        ("OrderFailed", {"compensate": []}, 0),
        ("CustomerVerified", {"amount": "-1.00"}, 0),
    ],
    ids=["verified", "charge", "refund", "failed", "nothing-to-refund", "parked"],
)
async def test_workers_are_woken_by_what_leaves_them_work(
    till: Till, type_: str, payload: dict[str, object], woken: int
) -> None:
    """Once, after the commit: the work is there to be seen; a copy of the event wakes nobody."""
    seen: list[bool] = []
    heard = event(type_, uuid4(), **payload)
    service = PaymentService(clock=till.clock)
    for listener in listeners(till.sessions, service, work=lambda: seen.append(True)):
        if listener.topic == ANNOUNCED[type_]:
            await listener.handler(heard)
            await listener.handler(heard)
    assert len(seen) == woken


@on_sqlite
async def test_work_left_by_a_dead_process_is_found_at_start(
    engine: AsyncEngine, provider: SimulatedProvider, tmp_path: Path, till: Till
) -> None:
    """A request in the table is enough: no message is needed to go on."""
    order_id, heard = uuid4(), Heard()
    till.clock.now -= timedelta(days=365)
    await till.hears(event("CustomerVerified", order_id))
    async with EmbeddedBus(tmp_path / "bus.db") as bus, running(engine, provider, bus, heard):
        assert (await heard.next()).type == "PaymentSuccessful"


@on_sqlite
async def test_events_of_no_interest_leave_no_row(till: Till) -> None:
    """A busy topic costs Payments nothing for what it does not use."""
    other = event("CustomerVerified", uuid4()).model_copy(update={"type": "CustomerCreditReserved"})
    for listener in till.participant().listeners:
        if listener.topic == "customer":
            await listener.handler(other)

    async with till.sessions() as session:
        assert await session.get(InboxMessage, ("payments", other.event_id)) is None


@on_sqlite
@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("CustomerVerified", {"amount": "-1.00"}),
        ("CustomerVerified", {"amount": "0.001"}),
        ("CustomerVerified", {"amount": "1e30"}),
        ("CustomerVerified", {"items": []}),
        ("CustomerVerified", {"order_id": "7"}),
        ("ChargePayment", {"customer_id": "Robert'); DROP TABLE payments;--"}),
        ("OrderFailed", {"compensate": ["launch-rockets"]}),
    ],
    ids=["negative", "mills", "enormous", "no-items", "no-uuid", "hostile-customer", "unknown-action"],
)
async def test_event_that_breaks_its_contract_is_parked(
    till: Till, type_: str, payload: dict[str, object]
) -> None:
    """Nothing is charged, nothing is lost: it waits in the inbox with its reason."""
    consumer = "payment.commands" if type_ == "ChargePayment" else "payments"
    bad = event(type_, uuid4(), **payload)
    await till.hears(bad)
    await till.works_until_idle()

    async with till.sessions() as session:
        row = await session.get(InboxMessage, (consumer, bad.event_id))
    assert row is not None
    assert row.parked_at is not None
    assert await till.told() == []


@on_sqlite
async def test_event_of_its_own_under_commands_is_parked(till: Till) -> None:
    """Nobody commands Payments to have succeeded."""
    forged = event("ChargePayment", uuid4()).model_copy(update={"type": "PaymentSuccessful"})
    await till.participant().listeners[-1].handler(forged)

    async with till.sessions() as session:
        row = await session.get(InboxMessage, ("payment.commands", forged.event_id))
    assert row is not None
    assert "PaymentSuccessful" in (row.last_error or "")
