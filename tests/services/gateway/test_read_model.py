"""The read model on each engine: events in, summaries out, a rebuild beside, and how fresh it says it is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import create_tables, session_factory
from lab_support.messaging import Event
from lab_support.services.gateway import events
from lab_support.services.gateway.composing import Composer
from lab_support.services.gateway.dtos import SummaryPage
from lab_support.services.gateway.entities import (
    GatewayBase,
    Generation,
    Hearing,
    InboxMessage,
    OrderSummary,
)
from lab_support.services.gateway.errors import (
    NoAnswerError,
    RebuildOvertakenError,
    SummaryNotFoundError,
)
from lab_support.services.gateway.events import EVENTS
from lab_support.services.gateway.participation import participate
from lab_support.services.gateway.rebuild import Rebuild, Rebuilt
from lab_support.services.gateway.service import Gateway
from lab_support.services.participant import Around
from lab_support.settings import Settings
from tests.services.gateway.neighbourhood import GUARD_S, Shop, broken, says
from tests.services.gateway.test_projection import payload

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
"""For what is the same on every engine."""

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SERVICES = {"order": "orders", "customer": "customers", "payment": "payments", "stock": "inventory"}


class World:
    """A gateway that hears what a test tells it, and Orders' journal of it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine, self.sessions = engine, session_factory(engine)
        self.now = NOON + timedelta(hours=1)
        self.shop = Shop()
        self.shop.answers["/orders/journal"] = self._page
        self.journal: list[Event] = []
        part = participate(
            self.sessions,
            None,  # type: ignore[arg-type]
            settings=Settings(),
            around=Around(clock=lambda: self.now),
        )
        self.handlers = {one.topic: one.handler for one in part.listeners}
        composer = Composer(neighbours=self.shop.neighbours)
        self.gateway = Gateway(composer=composer, sessions=self.sessions)

    async def hear(self, *told: Event, journal: bool = True) -> None:
        """Deliver events, one after the other."""
        for event in told:
            await self.handlers[event.aggregate_type](event)
            if journal and event not in self.journal:
                self.journal.append(event)

    async def rebuild(self, **more: Any) -> Rebuilt:
        async with asyncio.timeout(GUARD_S):
            around = {"sessions": self.sessions, "neighbours": self.shop.neighbours, "sleep": at_once}
            return await Rebuild(**(around | more)).run()

    async def page(self, customer_id: str = "ada", **more: Any) -> SummaryPage:
        return await self.gateway.summaries_of(customer_id, **({"after": None, "limit": 50} | more))

    async def everything(self) -> dict[str, Any]:
        """Give all that a reader can see."""
        return (await self.page()).model_dump()

    async def generations(self) -> tuple[int, int | None]:
        async with self.sessions() as session:
            row = (await session.scalars(select(Generation))).one()
            return row.shown, row.building

    async def _page(self, request: httpx.Request) -> httpx.Response:
        after, limit = (int(request.url.params[name]) for name in ("after", "limit"))
        some = self.journal[after : after + limit]
        items = [
            {
                "position": position,
                "event_id": str(event.event_id),
                "order_id": str(event.payload["order_id"]),
                "service": SERVICES[event.aggregate_type],
                "type": event.type,
                "occurred_at": event.occurred_at.isoformat(),
                "recorded_at": (event.occurred_at + timedelta(seconds=1)).isoformat(),
                "payload": event.payload,
            }
            for position, event in enumerate(some, after + 1)
        ]
        following = after + limit if len(some) == limit else None
        return says({"items": items, "next": following, "last": len(self.journal)})


async def at_once(_seconds: float) -> None:
    """Wait for nothing."""


@pytest.fixture
async def world(engine: AsyncEngine) -> AsyncIterator[World]:
    await create_tables(engine, GatewayBase.metadata)
    world = World(engine)
    yield world
    await world.shop.neighbours.close()


def event(model: type[Any], order: UUID, second: int = 0, kind: str = "order", **more: Any) -> Event:
    return EVENTS.event(
        payload(model, order_id=order, **more),
        aggregate_type=kind,
        aggregate_id=order,
        occurred_at=NOON + timedelta(seconds=second),
    )


def story(order: UUID, second: int = 0) -> list[Event]:
    """Give the events of an order by card that ends well."""
    return [
        event(events.OrderCreated, order, second),
        event(events.CustomerVerified, order, second + 1, "customer"),
        event(events.PaymentSuccessful, order, second + 2, "payment"),
        event(events.InventoryReserved, order, second + 3, "stock"),
        event(events.OrderConfirmed, order, second + 4),
    ]


@on_sqlite
async def test_events_become_a_summary(world: World) -> None:
    """Of each service what it told last."""
    order = uuid4()
    await world.hear(*story(order))

    [shown] = (await world.page()).items
    assert (shown.status, shown.credit, shown.payment, shown.stock) == (
        "CONFIRMED",
        "VERIFIED",
        "CHARGED",
        "RESERVED",
    )
    assert (shown.order_id, shown.pieces, str(shown.total)) == (order, 2, "49.80")
    assert shown.ordered_at == NOON
    assert shown.updated_at == NOON + timedelta(seconds=4)


async def test_order_of_events_and_copies_at_once_do_not_matter(world: World) -> None:
    """All events of three orders, backwards, each twice and at the same time: as if told in order."""
    orders = [uuid4() for _ in range(3)]
    told = [one for second, order in enumerate(orders) for one in story(order, second)]
    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(*(world.hear(one) for one in [*reversed(told), *told]))
    shuffled = await world.everything()

    async with world.sessions() as session, session.begin():
        for table in (OrderSummary, Hearing, InboxMessage):
            await session.execute(delete(table))
    await world.hear(*told)
    assert await world.everything() == shuffled


async def test_pages_are_newest_first_and_miss_nothing(world: World) -> None:
    """Orders of one moment too: the id decides among them."""
    orders = [uuid4() for _ in range(7)]
    for count, order in enumerate(orders):
        await world.hear(event(events.OrderCreated, order, count // 3))
    await world.hear(event(events.OrderCreated, uuid4(), customer_id="bob"))

    seen, after = [], None
    while True:
        page = await world.page(limit=2, after=after)
        seen += page.items
        if (after := page.next) is None:
            break

    assert sorted(one.order_id for one in seen) == sorted(orders)
    assert [one.ordered_at for one in seen] == sorted(
        (one.ordered_at for one in seen if one.ordered_at), reverse=True
    )


@on_sqlite
async def test_page_after_anothers_order_is_refused(world: World) -> None:
    """Nobody learns from it whether that order exists."""
    stranger = uuid4()
    await world.hear(event(events.OrderCreated, stranger, customer_id="bob"))

    for after in (stranger, uuid4()):
        with pytest.raises(SummaryNotFoundError):
            await world.page(after=after)


# --- how fresh


@on_sqlite
async def test_nothing_heard_is_no_freshness(world: World) -> None:
    """Null, and not this moment: a read model that listens to nobody must not look fresh."""
    page = await world.page()

    assert page.as_of is None
    assert page.heard.model_dump() == dict.fromkeys(SERVICES.values())


async def test_freshness_is_that_of_the_service_heard_least(world: World) -> None:
    """Whatever the clock on the wall says, and although others were heard since."""
    await world.hear(*story(uuid4()))
    world.now += timedelta(days=1)

    page = await world.page()
    assert page.as_of == page.heard.customers == NOON + timedelta(seconds=1)
    assert page.heard.orders == NOON + timedelta(seconds=4)


@on_sqlite
async def test_late_event_makes_nothing_older(world: World) -> None:
    """What was heard stays heard."""
    await world.hear(event(events.OrderCreated, uuid4(), 10))
    await world.hear(event(events.OrderCreated, uuid4(), 5))

    assert (await world.page()).as_of == NOON + timedelta(seconds=10)


@on_sqlite
async def test_event_from_the_future_does_not_pretend_to_be_fresh(world: World) -> None:
    """It counts as of the moment at which it was heard."""
    await world.hear(event(events.OrderCreated, uuid4(), second=10**8))

    assert (await world.page()).as_of == world.now


@on_sqlite
async def test_event_in_a_version_of_tomorrow_waits(world: World) -> None:
    """It is parked, changes nothing, and does not count as heard."""
    strange = event(events.OrderCreated, uuid4()).model_copy(update={"version": 2})
    await world.hear(strange)

    async with world.sessions() as session:
        parked = (await session.scalars(select(InboxMessage))).one()
    assert parked.parked_at is not None
    assert (await world.page()).as_of is None


# --- the rebuild


async def test_rebuild_shows_the_same(world: World) -> None:
    """Built from the journal alone, page by page: what the events had made one by one."""
    for count in range(5):
        await world.hear(*story(uuid4(), count))
    before = await world.everything()
    async with world.sessions() as session, session.begin():
        await session.execute(delete(InboxMessage))

    done = await world.rebuild(page=3)

    assert done == Rebuilt(events=25)
    assert await world.everything() == before
    assert await world.generations() == (2, None)


@on_sqlite
@pytest.mark.parametrize("damage", ["changed", "emptied", "all gone"])
async def test_rebuild_mends_what_was_damaged(world: World, damage: str) -> None:
    """Nothing notices a row that was changed by hand, or rows that are gone; a rebuild puts them right."""
    for count in range(3):
        await world.hear(*story(uuid4(), count))
    right = await world.everything()
    async with world.sessions() as session, session.begin():
        if damage == "changed":
            await session.execute(
                update(OrderSummary).values(
                    status="FAILED",
                    total=1,
                    customer_id="ada",
                    order_stage=99,
                    items=[{"sku": "X", "quantity": 9}],
                )
            )
            await session.execute(update(Hearing).values(newest_at=NOON + timedelta(days=99)))
        elif damage == "emptied":
            await session.execute(delete(OrderSummary))
        else:
            for table in (OrderSummary, Hearing, Generation, InboxMessage):
                await session.execute(delete(table))
    assert await world.everything() != right

    await world.rebuild()

    assert await world.everything() == right


async def test_events_that_come_during_a_rebuild_are_in_both(world: World) -> None:
    """The old generation shows them at once, and the new one has them when it is shown."""
    order, late = uuid4(), uuid4()
    await world.hear(*story(order))
    told = story(late, 10)
    reached = 0

    def progress(_done: int, _of: int | None) -> None:
        nonlocal reached
        reached += 1

    async def tell(request: httpx.Request) -> httpx.Response:
        answer = await world._page(request)
        if request.url.params["after"] == "0":  # the journal was read before Orders has heard of it
            await world.hear(*told, journal=False)
            assert len((await world.page()).items) == 2
            assert await world.generations() == (1, 2)
        return answer

    world.shop.answers["/orders/journal"] = tell
    await world.rebuild(page=3, progress=progress)

    assert reached == 2
    assert {one.order_id: one.status for one in (await world.page()).items} == {
        order: "CONFIRMED",
        late: "CONFIRMED",
    }


@on_sqlite
async def test_event_that_orders_has_not_heard_yet_survives_a_rebuild(world: World) -> None:
    """The gateway heard of a payment, Orders' journal does not know it: the gateway's own memory does."""
    order = uuid4()
    await world.hear(event(events.OrderCreated, order))
    await world.hear(event(events.PaymentSuccessful, order, 2, "payment"), journal=False)

    await world.rebuild()

    [shown] = (await world.page()).items
    assert shown.payment == "CHARGED"


async def test_rebuild_while_events_pour_in_loses_none(world: World) -> None:
    """Ten orders told by four tellers at once while two rebuilds run one after the other: all are there at the end."""
    before, during = [uuid4() for _ in range(5)], [uuid4() for _ in range(10)]
    for order in before:
        await world.hear(*story(order))

    async def teller(mine: list[UUID]) -> None:
        for order in mine:
            for one in story(order):
                await world.hear(one)

    async with asyncio.timeout(GUARD_S), asyncio.TaskGroup() as group:
        for start in range(4):
            group.create_task(teller(during[start::4]))
        await world.rebuild(page=4)
        await world.rebuild(page=4)

    shown = (await world.page()).items
    assert {one.order_id for one in shown} == {*before, *during}
    assert {(one.status, one.payment, one.stock, one.credit) for one in shown} == {
        ("CONFIRMED", "CHARGED", "RESERVED", "VERIFIED")
    }


@on_sqlite
async def test_orders_that_does_not_answer_changes_nothing(world: World) -> None:
    """The old generation is shown, nobody fills the new one any more, and the next rebuild works."""
    await world.hear(*story(uuid4()))
    before = await world.everything()
    world.shop.answers["/orders/journal"] = broken

    with pytest.raises(NoAnswerError):
        await world.rebuild()

    assert await world.everything() == before
    assert await world.generations() == (1, None)
    world.shop.answers["/orders/journal"] = world._page
    world.shop.neighbours.orders.circuit = type(world.shop.neighbours.orders.circuit)()
    await world.rebuild()
    assert await world.everything() == before


@on_sqlite
async def test_orders_that_answers_late_is_asked_again(world: World) -> None:
    """Three failures in a row cost a rebuild three pauses, and no more."""
    await world.hear(*story(uuid4()))
    fails = iter([broken] * 3)
    world.shop.answers["/orders/journal"] = lambda request: next(fails, world._page)(request)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    assert (await world.rebuild(sleep=pause)).events > 0
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


async def test_second_rebuild_takes_the_first_ones_place(world: World) -> None:
    """Two at once: the later one is shown, the earlier one says so and leaves nothing behind."""
    await world.hear(*story(uuid4()))
    before = await world.everything()
    called = []

    async def overtake(request: httpx.Request) -> httpx.Response:
        called.append(request)
        if len(called) == 1:
            await world.rebuild()
        return await world._page(request)

    world.shop.answers["/orders/journal"] = overtake
    with pytest.raises(RebuildOvertakenError):
        await world.rebuild()

    assert await world.everything() == before
    async with world.sessions() as session:
        assert set(await session.scalars(select(OrderSummary.generation))) == {3}
    assert await world.generations() == (3, None)


async def test_rebuild_that_died_is_swept_up_by_the_next(world: World) -> None:
    """A generation that was never shown costs nothing but its rows, and those go."""
    await world.hear(*story(uuid4()))
    async with world.sessions() as session, session.begin():
        await session.execute(update(Generation).values(building=2))
    await world.hear(*story(uuid4(), 9))
    await world.rebuild()

    async with world.sessions() as session:
        for table in (OrderSummary, Hearing):
            assert set(await session.scalars(select(table.generation))) == {3}
    assert len((await world.page()).items) == 2


@on_sqlite
async def test_events_nobody_understands_are_named_and_left_out(world: World) -> None:
    """A journal with a broken entry, and one of a kind that is none of the gateway's business."""
    good, bad = story(uuid4()), event(events.OrderApproved, uuid4())
    broken_one = bad.model_copy(update={"payload": {"order_id": bad.payload["order_id"], "customer_id": 7}})
    other = bad.model_copy(update={"type": "ReserveCredit", "event_id": uuid4()})
    world.journal = [*good, broken_one, other]

    done = await world.rebuild()

    assert done.unreadable == {broken_one.event_id}
    assert len((await world.page()).items) == 1
