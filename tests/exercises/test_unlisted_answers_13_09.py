"""Answers to 13.9 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select

from lab_support.authoring.stored_answers import stored_answers
from lab_support.database.inserts import insert_if_absent
from lab_support.exercises import State, Verdict, find, judge
from lab_support.exercises.s13_09.order_pages import SOURCES, HeardOf
from lab_support.exercises.s13_09.rollout import Deploy, Release, Sql
from lab_support.exercises.s13_09.summaries import CONSUMER, EVENTS, Inbox, LineAdded, OrderSummary
from lab_support.messaging.inbox import receive

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = range(1, 6)


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


def stored(exercise_id: str, name: str) -> dict[str, Any]:
    """Execute a stored answer and return what it defines."""
    (answer,) = [one for one in stored_answers(ROOT, find(exercise_id)) if one.path and one.path.stem == name]
    namespace: dict[str, Any] = {}
    exec(compile(answer.path.read_text("utf-8"), str(answer.path), "exec", dont_inherit=True), namespace)  # noqa: S102 - our own
    return namespace


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("nonsense", [None, 7, object, print])
@pytest.mark.parametrize("exercise_id", [f"13.9.{number}" for number in NUMBERS])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


@pytest.mark.parametrize("seed", [7, 2026])
@pytest.mark.parametrize(
    ("exercise_id", "variant"),
    [
        ("13.9.1", "right_core_tables"),
        ("13.9.2", "right_gather"),
        ("13.9.3", "right_with_entities"),
        ("13.9.4", "right_statements"),
        ("13.9.5", "right_triggers"),
    ],
)
def test_other_ids_and_amounts_change_no_verdict(exercise_id, variant, seed):
    """A right answer passes under any seed."""
    exercise, names = find(exercise_id), stored(exercise_id, variant)

    assert judge(exercise, {name: names[name] for name in exercise.student_writes}, seed=seed).passed


# 13.9.1


def test_service_that_writes_nothing_down_is_given_no_cause():
    """Two services that keep everything in memory do not pass: what they own is not in their databases."""

    class Catalogue:
        def __init__(self, databases, stock):
            self.stock, self.products = stock, {}

        async def start(self):
            return None

        close = start

        async def add(self, sku, name, price):
            self.products[sku] = {"sku": sku, "name": name, "price": price}

        async def page(self, sku):
            return self.products[sku] | {"free": await self.stock.free(sku)} if sku in self.products else None

    class Inventory:
        def __init__(self, databases):
            self.units = {}

        async def start(self):
            return None

        close = start

        async def receive(self, sku, units):
            self.units[sku] = self.units.get(sku, 0) + units

        async def reserve(self, sku, units):
            taken = self.units.get(sku, 0) >= units
            self.units[sku] = self.units.get(sku, 0) - units * taken
            return taken

        async def free(self, sku):
            return self.units.get(sku, 0)

    verdict = judged("13.9.1", Catalogue, Inventory)

    assert causes(verdict) == []
    assert "is not in its database" in verdict.decisive.message


def test_price_as_a_float_is_another_page():
    """A page whose price is a float shows something else."""
    names = stored("13.9.1", "right_core_tables")
    right = names["Catalogue"]

    class Catalogue(right):
        async def page(self, sku):
            found = await super().page(sku)
            return found and found | {"price": float(found["price"])}

    verdict = judged("13.9.1", Catalogue, names["Inventory"])

    assert causes(verdict) == []
    assert "shows something else" in verdict.decisive.message


# 13.9.2


async def ask(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    return None if answer.status_code == 404 else answer.raise_for_status().json()


def test_calls_left_running_are_found():
    """Who waits with a limit and cancels nothing leaves calls behind."""

    async def order_page(order_id, clients, deadline_s):
        calls = {name: asyncio.create_task(ask(one, f"/{name}/{order_id}")) for name, one in clients.items()}
        done, _ = await asyncio.wait(calls.values(), timeout=deadline_s)
        good = {name: call.result() for name, call in calls.items() if call in done and not call.exception()}
        parts = {name: good.get(name) for name in clients}
        return {
            "order_id": order_id,
            "parts": parts,
            "missing": [name for name in clients if name not in good],
        }

    verdict = judged("13.9.2", order_page)

    assert causes(verdict) == []
    assert "still running" in verdict.decisive.message


def test_nothing_there_is_not_missing():
    """A service that answers 404 has answered: naming it in `missing` fails, without a cause."""

    async def part(client, path, deadline_s):
        try:
            return (await asyncio.wait_for(client.get(path), deadline_s)).raise_for_status().json()
        except (TimeoutError, httpx.HTTPError, ValueError):
            return None

    async def order_page(order_id, clients, deadline_s):
        calls = (part(one, f"/{name}/{order_id}", deadline_s) for name, one in clients.items())
        parts = dict(zip(clients, await asyncio.gather(*calls), strict=True))
        return {
            "order_id": order_id,
            "parts": parts,
            "missing": [name for name in parts if parts[name] is None],
        }

    assert causes(judged("13.9.2", order_page)) == []


def test_error_of_the_students_own_is_told_as_theirs():
    """A typo is an error in the student's code, with its line, and no belief about composition."""

    async def order_page(order_id, clients, deadline_s):
        return undefined_name  # noqa: F821

    verdict = judged("13.9.2", order_page)

    assert verdict.state is State.ERROR
    assert "undefined_name" in verdict.decisive.message
    assert causes(verdict) == []


# 13.9.3


async def add_up(session, event):
    await insert_if_absent(session, OrderSummary, order_id=event.aggregate_id)
    row = await session.get(OrderSummary, event.aggregate_id, populate_existing=True)
    payload = EVENTS.payload_of(event)
    if isinstance(payload, LineAdded):
        row.units, row.total = row.units + payload.units, row.total + payload.amount
    elif payload.number > row.status_number:
        row.status, row.status_number = payload.status, payload.number


async def rebuild_well(sessions, history):
    async with sessions.begin() as session:
        await session.execute(delete(OrderSummary))
        await session.execute(delete(Inbox).where(Inbox.consumer == CONSUMER))
        async for event in history:
            if await receive(session, Inbox, CONSUMER, event):
                await add_up(session, event)


def test_mark_before_the_effect_in_its_own_transaction_loses_events():
    """Who commits the mark first loses the event when the process dies between the two, and gets no false cause."""

    async def project(sessions, event):
        async with sessions.begin() as session:
            new = await receive(session, Inbox, CONSUMER, event)
        if new:
            async with sessions.begin() as session:
                await add_up(session, event)

    verdict = judged("13.9.3", project, rebuild_well)

    assert causes(verdict) == []
    assert "After a death" in verdict.decisive.message


def test_projector_that_raises_on_a_copy_is_not_idempotent():
    """An event that comes again and raises is delivered for ever: that is the belief, too."""

    async def project(sessions, event):
        async with sessions.begin() as session:
            session.add(
                Inbox(
                    consumer=CONSUMER, event_id=event.event_id, type=event.type, received_at=event.occurred_at
                )
            )
            await session.flush()
            await add_up(session, event)

    assert causes(judged("13.9.3", project, rebuild_well)) == ["not-idempotent"]


# 13.9.4


def test_position_kept_in_memory_is_gone_with_the_process():
    """A view that remembers positions as attributes knows nothing after a restart."""
    right = stored("13.9.4", "right_statements")["OrderView"]

    class OrderView(right):
        positions: dict[str, Any]

        def __init__(self, sessions, clock):
            super().__init__(sessions, clock)
            self.positions = {}

        async def hear(self, event):
            await super().hear(event)
            known = self.positions.get(event.aggregate_type)
            self.positions[event.aggregate_type] = max(known or event.occurred_at, event.occurred_at)

        async def find(self, order_id):
            page = await super().find(order_id)
            as_of = min(self.positions.values()) if len(self.positions) == len(SOURCES) else None
            age_s = None if as_of is None else max(0.0, (self.clock() - as_of).total_seconds())
            return page | {"as_of": as_of, "age_s": age_s}

    assert causes(judged("13.9.4", OrderView)) == []


def test_copy_sets_no_position_back():
    """Who writes whatever time arrives goes back in time at a copy, and gets no false cause."""
    right = stored("13.9.4", "right_statements")["OrderView"]

    class OrderView(right):
        async def hear(self, event):
            await super().hear(event)
            async with self.sessions.begin() as session:
                heard = await session.scalar(select(HeardOf).where(HeardOf.source == event.aggregate_type))
                heard.as_of = event.occurred_at

    assert causes(judged("13.9.4", OrderView)) == []


# 13.9.5

ADD = Sql("ALTER TABLE customers ADD COLUMN full_name VARCHAR(200)")
FILL = Sql("UPDATE customers SET full_name = name")


def test_plan_that_stops_half_way_is_not_done():
    """A plan without the contraction fails without a cause: nothing was lost yet."""
    plan = [ADD, Deploy(Release.WRITES_BOTH), FILL, Deploy(Release.READS_NEW), Deploy(Release.NEW)]

    verdict = judged("13.9.5", plan)

    assert causes(verdict) == []
    assert "other columns" in verdict.decisive.message


def test_statement_that_the_database_refuses_is_named():
    """A step with a syntax error is told by its number."""
    verdict = judged("13.9.5", [Sql("ALTER TABEL customers")])

    assert causes(verdict) == []
    assert "refuses step 1" in verdict.decisive.message


def test_step_of_another_kind_is_named():
    """A bare text in the plan is refused with its number."""
    verdict = judged("13.9.5", [ADD, "DROP TABLE customers"])

    assert verdict.state is State.ERROR
    assert "Step 2" in verdict.decisive.message


def test_dropped_table_is_a_verdict():
    """A plan that drops the whole table fails, and the judge survives it."""
    assert judged("13.9.5", [Sql("DROP TABLE customers"), Deploy(Release.NEW)]).state is State.FAILED


def test_endless_plan_is_refused():
    """A plan of a thousand steps is not carried out."""
    verdict = judged("13.9.5", [FILL] * 1000)

    assert "too many steps" in verdict.decisive.message
