"""The instruments that judge 13.5.4 to 13.5.6: the courier and its weather, and the services behind the steps."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, make_url, select

from lab_support.authoring.stored_answers import StoredAnswer, judge_answer, stored_answers
from lab_support.database import SimulatedDeath
from lab_support.exercises import Seen, find
from lab_support.exercises.s13_05 import e5_choreography
from lab_support.exercises.s13_05.deaths import Life
from lab_support.exercises.s13_05.e6_orchestrator import _began_again
from lab_support.exercises.s13_05.saga_courier import ROUTES, Courier, Weather
from lab_support.exercises.s13_05.saga_given import reserve_credit, reserve_stock
from lab_support.exercises.s13_05.saga_services import Services, calls_of, done_of
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    CreditReservation,
    Customer,
    InboxMessage,
    OrderCreated,
    SagaBase,
    Stock,
    StockReservation,
)
from lab_support.exercises.s13_05.saga_steps import StepFailed

ROOT = Path(__file__).resolve().parents[2]
NEW_ORDERS = range(1, 5)


def created(order_id):
    order = OrderCreated(order_id=order_id, customer_id=1, sku="A", quantity=2, total=Decimal("10.10"))
    return TYPES.event(order, aggregate_type="Orders", aggregate_id=order_id)


class Listener:
    """The student's part, which only notes what it hears, or fails."""

    def __init__(self, fails=0):
        self.heard, self.fails = [], fails

    async def __call__(self, uow, event, fact):
        self.heard.append((event.type, fact.order_id))
        if self.fails:
            self.fails -= 1
            raise ValueError("not now")


def courier_on(engine, listener, **weather):
    given = {"Customers.reserve_credit": reserve_credit, "Inventory.reserve_stock": reserve_stock}
    names = {name for names in ROUTES.values() for name in names}
    return Courier(engine, {name: given.get(name, listener) for name in names}, Weather(**weather))


@pytest.fixture
async def shop(engine):
    async with engine.begin() as connection:
        await connection.run_sync(SagaBase.metadata.create_all)
        await connection.execute(insert(Customer).values(id=1, credit_limit=Decimal("30.30")))
        await connection.execute(insert(Stock).values(sku="A", available=6))
    return engine


async def heard(engine, listener=None, **weather):
    listener = listener or Listener()
    courier = courier_on(engine, listener, **weather)
    await courier.carry([created(order_id) for order_id in NEW_ORDERS])
    return listener.heard, courier


@pytest.mark.anyio
@pytest.mark.parametrize("backend", ["sqlite"])
class TestCourier:
    async def test_calm_weather_keeps_order_and_number(self, shop):
        """Three orders fit, the fourth does not; each answer comes once, in order, to everybody who wants it."""
        events, courier = await heard(shop)

        assert [one for one in events if one[0] == "CustomerCreditReserved"] == [
            ("CustomerCreditReserved", order_id) for order_id in (1, 2, 3)
        ]
        assert sorted(events).count(("CustomerCreditLimitExceeded", 4)) == 2  # Orders and Inventory
        assert len(events) == 10
        assert (courier.dead, courier.foreign) == ([], set())

    async def test_given_half_conserves_credit_and_stock(self, shop):
        """Whatever the weather, what is reserved is what the rows say, and never more than there is."""
        await heard(shop, seed="7", shuffled=True, told_again=1.0, repeated=1.0)

        async with shop.connect() as connection:
            reserved = await connection.scalar(select(Customer.reserved))
            pieces = await connection.scalar(select(Stock.available))
            mine = CreditReservation.state == "RESERVED"
            amounts = list(await connection.scalars(select(CreditReservation.amount).where(mine)))
            held = select(func.sum(StockReservation.quantity)).where(StockReservation.state == "RESERVED")
            assert (reserved, sum(amounts), len(amounts)) == (Decimal("30.30"), Decimal("30.30"), 3)
            assert (pieces, await connection.scalar(held)) == (0, 6)

    async def test_fact_told_again_gets_past_the_inbox(self, shop):
        """A repeated event is absorbed, a fact told again is heard again."""
        once, _ = await heard(shop, repeated=1.0)
        async with shop.begin() as connection:
            for table in (InboxMessage, CreditReservation, StockReservation):
                await connection.execute(table.__table__.delete())
            await connection.execute(Customer.__table__.update().values(reserved=0))
            await connection.execute(Stock.__table__.update().values(available=6))
        courier = courier_on(shop, listener := Listener(), told_again=1.0)
        await courier.carry([created(order_id) for order_id in NEW_ORDERS])

        assert len(once) == 10
        assert len(listener.heard) == 20

    async def test_slow_service_gets_the_newest_first(self, shop):
        """Customers hear the last order first, when everybody else has nothing to do any more."""
        events, _ = await heard(shop, slow="Customers")

        credit = [one for one in events if one[0].startswith("CustomerCredit")]
        assert credit[0] == ("CustomerCreditReserved", 4)
        assert events.index(credit[0]) > events.index(("StockReserved", 3))

    async def test_failing_handler_gets_the_event_five_times(self, shop):
        """What fails once is delivered again; what always fails is given up and named."""
        events, courier = await heard(shop, Listener(fails=1))
        assert (len(events), courier.dead) == (11, [])

        courier = courier_on(shop, always := Listener(fails=10**6))
        await courier.carry([created(9)])

        assert set(map(always.heard.count, always.heard)) <= {5, 10}
        assert all("ValueError: not now" in one for one in courier.dead)
        assert courier.dead

    async def test_table_of_another_service_is_noticed(self, shop):
        """A service that reads what is not its own is named with the table."""

        async def nosy(uow, event, fact):
            await uow.session.scalar(select(Stock.available))

        courier = courier_on(shop, nosy)
        await courier.carry([created(1)])

        assert courier.foreign == {"Orders used stock"}


def services(path, *, ends_at=0, **fails):
    where = make_url(f"sqlite+aiosqlite:///{path}/saga.db")
    return where, Services(where, Life(ends_at), fails).steps(["one", "two"])


@pytest.mark.anyio
class TestServices:
    async def test_repeated_action_has_one_effect(self, tmp_path):
        """Each call is a row, and the effect is there once."""
        where, (one, _) = services(tmp_path)
        saga_id = uuid4()
        await one.action(saga_id)
        await one.action(saga_id)

        assert calls_of(where, saga_id) == [("action", "one")] * 2
        assert done_of(where, saga_id) == {"one"}

    async def test_lost_answer_leaves_an_effect(self, tmp_path):
        """Refused means not done; without an answer it is done, and the caller hears the same."""
        where, (one, two) = services(tmp_path, one="refused", two="no answer")
        saga_id = uuid4()
        for step in (one, two):
            with pytest.raises(StepFailed):
                await step.action(saga_id)

        assert done_of(where, saga_id) == {"two"}

    async def test_late_action_finds_its_compensation(self, tmp_path):
        """What was undone before it was done stays undone."""
        where, (one, _) = services(tmp_path)
        saga_id = uuid4()
        await one.compensation(saga_id)
        await one.action(saga_id)

        assert done_of(where, saga_id) == set()

    async def test_dead_process_calls_nobody(self, tmp_path):
        """Dead before the call there is no row; dead after it there is one; then nothing more."""
        for ends_at, rows in ((1, 0), (2, 1)):
            where, (one, two) = services(tmp_path, ends_at=ends_at)
            saga_id = uuid4()
            for step in (one, two):
                with pytest.raises(SimulatedDeath):
                    await step.action(saga_id)

            assert len(calls_of(where, saga_id)) == rows


@pytest.mark.parametrize(
    ("before", "after", "again"),
    [
        ("do0 do1", "do1 do2", False),
        ("do0 do1", "do2", False),
        ("do0 do1", "do0 do1 do2", True),
        ("do0 do1 un1", "un0", False),
        ("do0 do1 un1", "do1 un1 un0", True),
        ("", "do0", False),
    ],
)
def test_next_run_goes_on_or_begins_again(before, after, again):
    """The call during which a process died may be repeated; an earlier action, or any after an undo, may not."""

    def calls(words):
        kinds = {"do": "action", "un": "compensation"}
        return [(kinds[word[:2]], int(word[2:])) for word in words.split()]

    assert _began_again(calls(before), calls(after)) is again


def test_no_belief_is_blamed_for_what_fails_in_calm_weather():
    """Facts of a storm explain nothing as long as the calm partner is not right."""
    facts = {"left_over": True, "given_twice": True, "changed_after_end": True}

    assert find("13.5.5").causes(Seen(facts)) == ()
    assert len(find("13.5.5").causes(Seen(facts, calm_is_right=True))) == 3


def right_choreographies() -> list[StoredAnswer]:
    return [answer for answer in stored_answers(ROOT, find("13.5.5")) if answer.kind == "right"]


@pytest.mark.parametrize("answer", right_choreographies(), ids=str)
def test_right_choreography_survives_more_storms(answer, monkeypatch):
    """Each right answer passes in six storms of other seeds."""
    monkeypatch.setattr(e5_choreography, "SHUFFLED", 6)

    verdict = judge_answer(answer)

    assert verdict.passed, verdict.decisive


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("answer", right_choreographies(), ids=str)
def test_right_choreography_survives_two_hundred_storms(answer, monkeypatch):
    """As many storms as a graded answer meets."""
    monkeypatch.setattr(e5_choreography, "SHUFFLED", 200)
    monkeypatch.setattr(find("13.5.5"), "limit_s", 500.0)

    verdict = judge_answer(answer)

    assert verdict.passed, verdict.decisive
