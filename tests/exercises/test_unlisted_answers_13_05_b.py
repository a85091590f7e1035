"""Answers to 13.5.4 to 13.5.6 that nobody stored: wrong ones get no false cause, right ones pass."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from lab_support.exercises import State, Verdict, find, judge, judging
from lab_support.exercises.s13_05.saga_given import say
from lab_support.exercises.s13_05.saga_shop import (
    TYPES,
    CreditReservation,
    Customer,
    CustomerCreditLimitExceeded,
    CustomerCreditReleased,
    CustomerCreditReserved,
    Order,
    Stock,
    StockReleased,
    StockReservation,
)
from lab_support.exercises.s13_05.saga_steps import SagaState, StepFailed

EXERCISES = ("13.5.4", "13.5.5", "13.5.6")


def judged(exercise_id: str, *answers: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, answers, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.parametrize("nonsense", [None, 7, object, lambda *_: None])
@pytest.mark.parametrize("exercise_id", EXERCISES)
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


# 13.5.4: a right answer, to be spoiled by its arguments.


def reserving(*, fits=lambda left, total: left >= total, lock=True, refuse=True, early=False, cause=True):
    async def reserve_credit(uow, event, order):
        customer = await uow.session.get(Customer, order.customer_id, with_for_update=lock or None)
        about = {"order_id": order.order_id, "customer_id": order.customer_id, "amount": order.total}
        answer = CustomerCreditLimitExceeded(**about)
        if customer is not None and fits(customer.credit_limit - customer.reserved, order.total):
            customer.reserved += order.total
            uow.session.add(CreditReservation(**about))
            answer = CustomerCreditReserved(**about)
        elif refuse is not True:
            raise refuse
        if early:
            await uow.commit()
        because = event if cause else None
        uow.announce(
            TYPES.event(answer, aggregate_type="Customer", aggregate_id=order.customer_id, cause=because)
        )

    return reserve_credit


def test_base_of_the_spoiled_reservations_passes():
    """What the following tests spoil is right before."""
    assert judged("13.5.4", reserving()).passed


def test_reservation_passes_where_postgresql_cannot_run(monkeypatch):
    """Without PostgreSQL every story is told on SQLite, and the verdict is the same."""
    monkeypatch.setattr(judging, "_postgres_can_run", lambda: False)

    assert judged("13.5.4", reserving()).passed


def test_floats_that_are_rounded_to_cents_pass():
    """Amounts of this size survive a float, if it is rounded before it is compared."""
    rounded = reserving(fits=lambda left, total: round(float(left), 2) >= round(float(total), 2))

    assert judged("13.5.4", rounded).passed


@pytest.mark.parametrize(
    "spoiled",
    [
        {"refuse": ValueError("too little credit")},
        {"fits": lambda left, total: left > total},
        {"fits": lambda left, total: left - total >= Decimal("0.01")},
        {"early": True},
        {"cause": False},
        {"fits": lambda left, total: False},
    ],
    ids=["raises", "never-to-the-last-cent", "keeps-a-cent", "commits-early", "no-cause", "refuses-all"],
)
def test_other_slips_of_a_reservation_have_no_cause(spoiled):
    """An error instead of an answer, a credit never used up, half a transaction, no saga: no stored belief."""
    assert causes(judged("13.5.4", reserving(**spoiled))) == []


def test_lock_of_python_does_not_keep_others_out():
    """A lock in this process holds back nobody else, so the credit is reserved twice."""
    turn, unlocked = {}, reserving(lock=False)

    async def locked_in_python(uow, event, order):
        async with turn.setdefault(id(asyncio.get_running_loop()), asyncio.Lock()):
            await unlocked(uow, event, order)
            await uow.flush()

    assert causes(judged("13.5.4", locked_in_python)) == ["negative-credit"]


# 13.5.5: a right answer in three parts, to be spoiled.


async def conclude_order(uow, event, fact):
    order = await uow.session.get(Order, fact.order_id)
    if order.state == "PENDING":
        order.credit_reserved |= event.type == "CustomerCreditReserved"
        order.stock_reserved |= event.type == "StockReserved"
        if event.type == "CustomerCreditLimitExceeded":
            order.state = "FAILED_NO_CREDIT"
        elif event.type == "StockUnavailable":
            order.state = "FAILED_NO_STOCK"
        elif order.credit_reserved and order.stock_reserved:
            order.state = "APPROVED"


def releasing(*, silent=False, forgets=False, leaves_row="RELEASED", refuses=False):
    async def release_credit(uow, event, fact):
        row = await uow.session.get(CreditReservation, fact.order_id)
        if row is None:
            uow.session.add(CreditReservation(order_id=fact.order_id, state=leaves_row))
        elif row.state == "RESERVED":
            customer = await uow.session.get(Customer, row.customer_id)
            customer.reserved -= row.amount
            row.state = "RELEASED"
            about = {"order_id": row.order_id, "customer_id": row.customer_id, "amount": row.amount}
            if not silent:
                say(uow, "Customers", CustomerCreditReleased(**about), event)
            if forgets:
                await uow.session.delete(row)
        elif refuses:
            raise ValueError("released already")

    async def release_stock(uow, event, fact):
        row = await uow.session.get(StockReservation, fact.order_id)
        if row is None:
            uow.session.add(StockReservation(order_id=fact.order_id, state=leaves_row))
        elif row.state == "RESERVED":
            mine = update(Stock).where(Stock.sku == row.sku)
            await uow.session.execute(mine.values(available=Stock.available + row.quantity))
            row.state = "RELEASED"
            about = {"order_id": row.order_id, "sku": row.sku, "quantity": row.quantity}
            say(uow, "Inventory", StockReleased(**about), event)

    return release_credit, release_stock


def test_base_of_the_spoiled_choreography_passes():
    """What the following tests spoil is right before."""
    assert judged("13.5.5", conclude_order, *releasing()).passed


def test_mark_may_bear_another_word():
    """Whatever is written into the row that is left for a late order, the reservation finds it."""
    assert judged("13.5.5", conclude_order, *releasing(leaves_row="TOO_LATE")).passed


@pytest.mark.parametrize(
    "spoiled", [{"silent": True}, {"refuses": True}], ids=["silent", "raises-on-repeats"]
)
def test_other_slips_of_a_release_have_no_cause(spoiled):
    """A release that nobody hears of, and a repetition that is an error, are no stored belief."""
    assert causes(judged("13.5.5", conclude_order, *releasing(**spoiled))) == []


def test_release_that_forgets_lets_a_late_order_reserve_again():
    """A reservation that was deleted cannot stop the order that is told again."""
    verdict = judged("13.5.5", conclude_order, *releasing(forgets=True))

    assert causes(verdict) in ([], ["assumes-order"])
    assert "conserved" in verdict.decisive.message or "reservations" in verdict.decisive.message


def test_set_in_memory_does_not_survive_a_restart():
    """Who remembers in Python which answers have come passes every storm, and not the restart."""
    heard = set()
    release_credit, release_stock = releasing()

    async def remembers(uow, event, fact):
        row = await uow.session.get(Order, fact.order_id)
        if row.state == "PENDING" and event.type in ("StockReserved", "CustomerCreditReserved"):
            heard.add((event.type, fact.order_id))
            both = {("StockReserved", fact.order_id), ("CustomerCreditReserved", fact.order_id)}
            row.state = "APPROVED" if both <= heard else "PENDING"
        else:
            await conclude_order(uow, event, fact)

    verdict = judged("13.5.5", remembers, release_credit, release_stock)

    assert causes(verdict) == []
    assert "restart" in verdict.decisive.title


def test_service_that_reads_another_ones_table_is_found():
    """Orders could look up what Customers and Inventory know, and must not."""

    async def looks_it_up(uow, event, fact):
        await uow.session.get(CreditReservation, fact.order_id)
        await conclude_order(uow, event, fact)

    verdict = judged("13.5.5", looks_it_up, *releasing())

    assert causes(verdict) == []
    assert verdict.decisive.observed == "Orders used credit_reservations"


def test_order_that_never_ends_has_no_cause():
    """Doing nothing about an answer fails in order too, so no belief about order is blamed."""

    async def waits(uow, event, fact):
        if event.type != "StockReserved":
            await conclude_order(uow, event, fact)

    assert causes(judged("13.5.5", waits, *releasing())) == []


@pytest.mark.parametrize(
    ("answer", "named"),
    [("StockReserved", ["assumes-order"]), ("CustomerCreditReserved", [])],
    ids=["stock", "credit"],
)
def test_one_yes_is_no_approval(answer, named):
    """Who takes the usually later answer for both assumes an order; who takes the earlier one fails in order too."""

    async def believes(uow, event, fact):
        row = await uow.session.get(Order, fact.order_id)
        if row.state == "PENDING" and event.type == answer:
            row.state = "APPROVED"
        else:
            await conclude_order(uow, event, fact)

    assert causes(judged("13.5.5", believes, *releasing())) == named


# 13.5.6: a right answer, to be spoiled.


def orchestrating(*, failures=StepFailed, undo_all=False, end="COMPENSATED", save_every=1, keep_open=False):
    async def run(sessions, saga_id, steps):
        async with sessions() as session:
            saga = await session.get(SagaState, saga_id)
            if saga is None:
                saga = SagaState(saga_id=saga_id, state="RUNNING", step=0)
                session.add(saga)
            if not keep_open:
                await session.commit()
            while saga.state == "RUNNING":
                try:
                    await steps[saga.step].action(saga_id)
                except failures:
                    saga.state, saga.step = "COMPENSATING", len(steps) - 1 if undo_all else saga.step
                else:
                    saga.step += 1
                    saga.state = "RUNNING" if saga.step < len(steps) else "COMPLETED"
                if saga.step % save_every == 0 or saga.state != "RUNNING":
                    await session.commit()
            while saga.state == "COMPENSATING":
                await steps[saga.step].compensation(saga_id)
                saga.step -= 1
                saga.state = "COMPENSATING" if saga.step >= 0 else end
                await session.commit()
            await session.commit()
            return saga.state

    return run


@pytest.mark.parametrize(
    "variant",
    [{}, {"failures": Exception}, {"keep_open": True}],
    ids=["base", "any-exception", "open-transaction"],
)
def test_right_orchestrator_passes(variant):
    """The base of the spoiled ones, one that undoes after any error, and one that keeps its transaction open."""
    verdict = judged("13.5.6", orchestrating(**variant))

    assert verdict.passed, verdict.decisive


@pytest.mark.parametrize(
    "spoiled",
    [{"undo_all": True}, {"end": "UNDONE"}, {"failures": ZeroDivisionError}],
    ids=["undoes-what-never-began", "another-word", "lets-the-failure-out"],
)
def test_other_slips_of_an_orchestrator_have_no_cause(spoiled):
    """Undoing steps that were never begun, another word for the end, a failure let out: no stored belief."""
    assert causes(judged("13.5.6", orchestrating(**spoiled))) == []


def test_saving_every_second_step_repeats_steps():
    """What is saved now and then is kept in memory meanwhile."""
    assert causes(judged("13.5.6", orchestrating(save_every=2))) == ["state-in-memory"]


def test_clean_up_of_the_dead_reaches_nobody():
    """`except BaseException` cannot undo anything when the process has ended, and gives no other verdict."""

    async def tidies(sessions, saga_id, steps):
        try:
            return await orchestrating()(sessions, saga_id, steps)
        except BaseException:
            for step in reversed(steps):
                await step.compensation(saga_id)
            raise

    assert judged("13.5.6", tidies).passed
