"""Orders on a real bus: what it takes goes out, what it hears ends the order; and no statement scans a table."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.messaging import EmbeddedBus, Event, Message, RelaySettings
from lab_support.services.orders import api
from lab_support.services.orders import events as e
from lab_support.services.orders.deadlines import DeadlineWorker
from lab_support.services.orders.desk import Desk, desk_of
from lab_support.services.orders.handlers import Hearing
from lab_support.services.orders.participation import participate
from lab_support.services.participant import Around, Participant
from lab_support.services.web import new_app
from lab_support.settings import Settings
from tests.services.orders.taking_orders import (
    DEADLINE_S,
    LIMIT_S,
    Clock,
    Sessions,
    consumer,
    lines,
    the_order,
    told,
)

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])
LAZY = RelaySettings(poll_s=3600)  # whoever is not woken does not come


class Neighbour:
    """Hears a topic, and lets a test wait for a type."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Event] = asyncio.Queue()

    async def __call__(self, event: Event) -> None:
        self.heard.put_nowait(event)

    async def waits_for(self, type_: str) -> Event:
        async with asyncio.timeout(LIMIT_S):
            while (event := await self.heard.get()).type != type_:
                pass
        return event


@pytest.fixture
def around(clock: Clock) -> Around:
    return Around(clock=clock, relay=LAZY)


async def start(bus: EmbeddedBus, participant: Participant, topic: str) -> Neighbour:
    neighbour = Neighbour()
    participant.subscribe(bus)
    bus.subscribe(topic, "neighbour", neighbour)
    return neighbour


async def test_order_goes_over_the_bus_to_its_end(
    tmp_path: Path, sessions: Sessions, settings: Settings, around: Around
) -> None:
    """An order is published without waiting for a poll; the answer on the bus ends it, and the end is published."""
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        participant = participate(sessions, bus, settings=settings, around=around)
        neighbour = await start(bus, participant, "order")
        desk = Desk.of(sessions, settings=settings, around=around, wake=participant.relay.wake)
        async with bus.running(), participant.running():
            taken = await desk.orders.place_order("ada", "credit", lines())
            created = await neighbour.waits_for("OrderCreated")
            reserved = e.StockReserved(order_id=taken.order_id)
            await bus.publish([Message("stock", told(reserved, "stock", created.saga_id))])
            approved = await neighbour.waits_for("OrderApproved")

    assert approved.aggregate_id == str(taken.order_id)
    assert (await the_order(sessions, taken.order_id)).status == "APPROVED"


@pytest.mark.parametrize("settings", ["orchestration"], indirect=True)
async def test_commands_and_replies_have_topics_of_their_own(
    tmp_path: Path, sessions: Sessions, settings: Settings, around: Around
) -> None:
    """A command goes to its participant's topic alone; the reply under order.replies brings the next one."""
    async with EmbeddedBus(tmp_path / "bus.db") as bus:
        participant = participate(sessions, bus, settings=settings, around=around)
        stock = await start(bus, participant, "stock.commands")
        customer = Neighbour()
        bus.subscribe("customer.commands", "neighbour", customer)
        desk = Desk.of(sessions, settings=settings, around=around, wake=participant.relay.wake)
        async with bus.running(), participant.running():
            taken = await desk.orders.place_order("ada", "credit", lines())
            command = await customer.waits_for("ReserveCredit")
            reply = e.CustomerCreditReserved.model_validate({"order_id": taken.order_id, "amount": "49.80"})
            await bus.publish([Message("order.replies", told(reply, "customer", command.saga_id))])
            reserve = await stock.waits_for("ReserveStock")

    assert reserve.payload["items"] == [{"sku": "LAMP-7", "quantity": 2}]


async def test_application_finds_its_desk(
    sessions: Sessions, settings: Settings, around: Around, tmp_path: Path
) -> None:
    """What the lifespan put into the application's state serves its requests; without sessions it says what lacks."""
    app: FastAPI = new_app("Orders", None)  # type: ignore[arg-type]
    app.include_router(api.router)
    api.install_errors(app)
    with pytest.raises(RuntimeError, match=r"'Orders'.*app\.state\.sessions"):
        desk_of(app)
    participant = participate(sessions, EmbeddedBus(tmp_path / "bus.db"), settings=settings, around=around)
    app.state.sessions, app.state.settings = sessions, settings
    app.state.around, app.state.participant = around, participant

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://lab") as client:
        body = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "MUG-2", "quantity": 1}]}
        answer = await client.post("/orders", json=body)
        shown = (await client.get(answer.headers["location"])).json()

    assert shown["deadline_at"] == "2026-11-24T12:00:30Z"
    assert participant.relay._woken.is_set()


@pytest.mark.parametrize("settings", ["choreography", "orchestration"], indirect=True)
async def test_no_statement_of_a_saga_scans_a_table(
    engine: AsyncEngine, desk: Desk, sessions: Sessions, clock: Clock, settings: Settings
) -> None:
    """Every query and change finds its rows by an index, so that an order costs the same among ten thousand."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            statements.append((statement, parameters))

    sqlalchemy_event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        await live_a_saga(desk, sessions, clock)
    finally:
        sqlalchemy_event.remove(engine.sync_engine, "before_cursor_execute", note)

    assert len(statements) > 15
    async with engine.connect() as connection:
        for statement, parameters in statements:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scans = [row.detail for row in plan if row.detail.startswith("SCAN")]
            assert not scans, f"{scans}: {statement}"


async def live_a_saga(desk: Desk, sessions: Sessions, clock: Clock) -> None:
    """Use what there is: an order that is repeated, told of, ended, reviewed, annotated; and one that is overdue."""
    for _ in range(2):
        taken = await desk.orders.place_order("ada", "credit", lines(), idempotency_key="k")
    order = await the_order(sessions, taken.order_id)
    hearing = Hearing(desk.sagas, clock)
    replies = order.coordination == "orchestration"
    failed = e.CompensationFailed(
        order_id=order.id, service="customers", action="release-credit", reason="X", attempts=1
    )
    for payload in (
        e.CustomerCreditReserved.model_validate({"order_id": order.id, "amount": "49.80"}),
        e.StockReserved(order_id=order.id),
        failed,
    ):
        await consumer(sessions, hearing, replies=replies)(told(payload, "customer", order.saga_id))
    await consumer(sessions, hearing)(told(failed, "customer", order.saga_id))
    (review,) = await desk.reviews.listed(open_only=True)
    await desk.reviews.resolve(review.id, "settled")
    await desk.orders.annotate(order.id, "ring twice")
    await desk.timeline(order.id)
    await desk.orders.place_order("ada", "card", lines())
    clock.turn(DEADLINE_S)
    await DeadlineWorker(sessions, clock=clock).turn()
