"""Answers to 13.4 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lab_support.exercises import State, Verdict, find, judge, judging
from lab_support.exercises.s13_04.articles import Article
from lab_support.exercises.s13_04.codes import TRANSIENT, code_of
from lab_support.exercises.s13_04.shop import (
    DuplicateOrder,
    InsufficientBalance,
    Order,
    OrderItem,
    OutOfStock,
    Payment,
    Product,
    ShopError,
    UnknownProduct,
    User,
)


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.parametrize("nonsense", [None, 7, [], object, lambda: None, print])
@pytest.mark.parametrize("exercise_id", [f"13.4.{number}" for number in range(1, 7)])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


# 13.4.1: a right answer in parts, to be spoiled.


async def take(session, product_id, quantity):
    """Take pieces, and leave it to the table's constraint to refuse."""
    taken = (
        update(Product).where(Product.id == product_id).values(stock=Product.stock - quantity)
    ).returning(Product.price)
    try:
        return await session.scalar(taken)
    except IntegrityError:
        raise OutOfStock(product_id) from None


async def pay(session, user_id, total):
    paid = update(User).where(User.id == user_id).values(balance=User.balance - total)
    try:
        await session.execute(paid)
    except IntegrityError:
        raise InsufficientBalance(user_id) from None


async def write_down(session, user_id, lines, prices, *, payment=True):
    order = Order(user_id=user_id)
    session.add(order)
    await session.flush()
    for one, many in lines:
        session.add(OrderItem(order_id=order.id, product_id=one, quantity=many, unit_price=prices[one]))
    if payment:
        session.add(Payment(order_id=order.id, amount=total_of(lines, prices)))
    await session.flush()
    return order.id


def total_of(lines, prices):
    return sum((prices[one] * many for one, many in lines), Decimal(0))


async def placed_in(session, user_id, lines, **more):
    prices = {one: await take(session, one, many) for one, many in lines}
    await pay(session, user_id, total_of(lines, prices))
    return await write_down(session, user_id, lines, prices, **more)


def test_constraint_may_be_what_refuses_an_order():
    """A CHECK constraint is a check in the same step as the write."""

    async def place_order(sessions, user_id, lines):
        async with sessions.begin() as session:
            return await placed_in(session, user_id, lines)

    assert judged("13.4.1", place_order).passed


def test_error_may_be_wrapped_on_its_way_out():
    """Which error comes out of a crash is the student's choice, as long as one does."""

    async def place_order(sessions, user_id, lines):
        try:
            async with sessions.begin() as session:
                return await placed_in(session, user_id, lines)
        except ShopError:
            raise
        except Exception as error:
            raise RuntimeError("the order was not placed") from error

    assert judged("13.4.1", place_order).passed


def test_order_without_a_payment_has_no_cause():
    """A forgotten row is no wrong belief about transactions."""

    async def place_order(sessions, user_id, lines):
        async with sessions.begin() as session:
            return await placed_in(session, user_id, lines, payment=False)

    verdict = judged("13.4.1", place_order)

    assert causes(verdict) == []
    assert "not complete" in verdict.decisive.message


def test_doing_nothing_has_no_cause():
    """An invented order id is found out by the books."""

    async def place_order(sessions, user_id, lines):
        return 1

    assert causes(judged("13.4.1", place_order)) == []


def test_order_that_is_never_committed_has_no_cause():
    """Work that is lost is not half of an order."""

    async def place_order(sessions, user_id, lines):
        async with sessions() as session:
            return await placed_in(session, user_id, lines)

    assert causes(judged("13.4.1", place_order)) == []


def test_refusal_by_another_error_has_no_cause():
    """An order that is refused with the wrong error is refused all the same."""

    async def place_order(sessions, user_id, lines):
        try:
            async with sessions.begin() as session:
                return await placed_in(session, user_id, lines)
        except ShopError as error:
            raise ValueError("no") from error.with_traceback(None)

    verdict = judged("13.4.1", place_order)

    assert verdict.passed or causes(verdict) == []


# 13.4.2


async def place(session, user_id, product_id, quantity, reference):
    """Look for the reference before, and after a failed flush again."""
    if await session.get(Product, product_id) is None:
        raise UnknownProduct(product_id)
    query = select(Order.id).where(Order.reference == reference)
    if first := await session.scalar(query):
        raise DuplicateOrder(first)
    try:
        order_id = await placed_in(session, user_id, [(product_id, quantity)])
        await session.execute(update(Order).where(Order.id == order_id).values(reference=reference))
        await session.commit()
        return order_id
    except IntegrityError:
        await session.rollback()
        raise DuplicateOrder(await session.scalar(query)) from None


STATUS = {UnknownProduct: 404, OutOfStock: 409, InsufficientBalance: 402, DuplicateOrder: 409}


def install_errors(app: FastAPI, status=STATUS, **more):
    async def refuse(_, error):
        return JSONResponse({"id": getattr(error, "order_id", None), **more}, status[type(error)])

    app.add_exception_handler(ShopError, refuse)


def test_reference_may_be_set_at_the_end():
    """A reference that is set by UPDATE, and looked for before, is right too."""
    assert judged("13.4.2", place, install_errors).passed


def test_reference_that_is_only_looked_for_loses_the_race():
    """Who looks before and does not catch the constraint's error answers 500 in a race, and gets no cause."""

    async def checks_only(session, user_id, product_id, quantity, reference):
        if await session.get(Product, product_id) is None:
            raise UnknownProduct(product_id)
        if first := await session.scalar(select(Order.id).where(Order.reference == reference)):
            raise DuplicateOrder(first)
        order = Order(user_id=user_id, reference=reference)
        session.add(order)
        await session.flush()
        lines = [(product_id, quantity)]
        prices = {product_id: await take(session, product_id, quantity)}
        await pay(session, user_id, total_of(lines, prices))
        session.add(
            OrderItem(
                order_id=order.id, product_id=product_id, quantity=quantity, unit_price=prices[product_id]
            )
        )
        session.add(Payment(order_id=order.id, amount=total_of(lines, prices)))
        await session.commit()
        return order.id

    verdict = judged("13.4.2", checks_only, install_errors)

    assert causes(verdict) == []
    assert "Somebody else took the reference" in verdict.decisive.message


def test_wrong_status_has_no_cause():
    """400 for everything is a wrong table, not a wrong place for it."""
    assert causes(judged("13.4.2", place, lambda app: install_errors(app, dict.fromkeys(STATUS, 400)))) == []


def test_no_handlers_at_all_have_no_cause():
    """Refusals that end as a plain 500 give nothing away."""
    assert causes(judged("13.4.2", place, lambda _app: None)) == []


def test_http_error_at_the_border_is_no_trap():
    """A handler may raise an HTTPException: the border is the place for it."""

    def translate(app):
        async def refuse(request, error):
            translated = HTTPException(STATUS[type(error)], {"id": getattr(error, "order_id", None)})
            return await app.exception_handlers[HTTPException](request, translated)

        app.add_exception_handler(ShopError, refuse)

    verdict = judged("13.4.2", place, translate)

    assert verdict.passed or causes(verdict) == []


# 13.4.3


class UnitOfWork:
    """A right answer, to be spoiled."""

    def __init__(self, sessions):
        self.session = sessions()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def commit(self):
        await self.session.commit()


def test_base_of_the_spoiled_units_passes():
    """What the following tests spoil is right before."""
    assert judged("13.4.3", UnitOfWork).passed


def test_commit_on_a_clean_exit_is_not_called_commit_always():
    """Who commits only where no error came has another belief than the stored one."""

    class Unit(UnitOfWork):
        async def __aexit__(self, kind, *_):
            if kind is None:
                await self.session.commit()
            await self.session.close()

    verdict = judged("13.4.3", Unit)

    assert causes(verdict) == []
    assert "nobody committed" in verdict.decisive.message


def test_commit_that_does_nothing_has_no_cause():
    """Rows that are missing were neither kept nor swallowed."""

    class Unit(UnitOfWork):
        async def commit(self):
            await self.session.flush()

    assert causes(judged("13.4.3", Unit)) == []


def test_shared_session_is_told():
    """One session for all units is found by opening two."""
    kept = {}

    class Unit(UnitOfWork):
        def __init__(self, sessions):
            self.session = kept.setdefault(id(sessions), sessions())

    verdict = judged("13.4.3", Unit)

    assert causes(verdict) == []
    assert "share one session" in verdict.decisive.message


# 13.4.4


async def sell(session, product_id, quantity):
    sold = await session.execute(
        update(Product)
        .where(Product.id == product_id, Product.stock >= quantity)
        .values(stock=Product.stock - quantity)
    )
    return sold.rowcount == 1


def test_sale_that_is_never_committed_has_no_cause():
    """A commit that was forgotten is not one that was repeated."""
    assert causes(judged("13.4.4", sell)) == []


def test_sale_without_an_answer_has_no_cause():
    """An exact stock and no answer is told as what it is."""

    async def silent(session, product_id, quantity):
        await sell(session, product_id, quantity)
        await session.commit()

    verdict = judged("13.4.4", silent)

    assert causes(verdict) == []
    assert "not whether" in verdict.decisive.message


def test_conflict_that_is_let_out_has_no_cause():
    """Who notices the rival and gives up loses nothing; the caller only has to ask again."""

    async def gives_up(session, product_id, quantity):
        columns = select(Product.stock, Product.version).where(Product.id == product_id)
        stock, version = (await session.execute(columns)).one()
        if stock < quantity:
            return False
        sold = await session.execute(
            update(Product)
            .where(Product.id == product_id, Product.version == version)
            .values(stock=stock - quantity, version=version + 1)
        )
        if sold.rowcount == 0:
            raise RuntimeError("somebody was faster")
        await session.commit()
        return True

    assert causes(judged("13.4.4", gives_up)) == []


def test_advisory_lock_is_not_called_a_lock_of_python():
    """A lock that only its friends ask for loses to a stranger, but it is one in the database."""

    async def advised(session, product_id, quantity):
        if session.get_bind().dialect.name == "postgresql":
            await session.execute(text("SELECT pg_advisory_xact_lock(134)"))
        product = await session.get(Product, product_id, populate_existing=True)
        if product.stock < quantity:
            await session.rollback()
            return False
        product.stock -= quantity
        await session.commit()
        return True

    assert causes(judged("13.4.4", advised)) == []


def test_lock_and_condition_together_pass():
    """A lock of Python's does no harm where the database checks as well."""
    turn = {}

    async def careful(session, product_id, quantity):
        async with turn.setdefault(id(asyncio.get_running_loop()), asyncio.Lock()):
            sold = await sell(session, product_id, quantity)
            await session.commit()
            return sold

    assert judged("13.4.4", careful).passed


# 13.4.5


async def import_articles(session, rows, *, first=1, after_each=None):
    refused = []
    for number, row in enumerate(rows, start=first):
        try:
            async with session.begin_nested():
                session.add(Article(**row))
        except IntegrityError:
            refused.append(number)
        if after_each and await after_each(session, refused):
            break
    return refused


def test_commit_after_each_row_has_no_cause():
    """An import that ends its caller's transaction is found by the rollback."""

    async def commits(session, rows):
        return await import_articles(session, rows, after_each=lambda one, _: one.commit())

    verdict = judged("13.4.5", commits)

    assert causes(verdict) == []
    assert "rolled back" in verdict.decisive.message


def test_import_that_stops_at_a_bad_row_has_no_cause():
    """Rows that were never tried were not rolled back."""

    async def stop(_session, refused):
        return bool(refused)

    async def stops(session, rows):
        return await import_articles(session, rows, after_each=stop)

    assert causes(judged("13.4.5", stops)) == []


def test_numbers_from_zero_have_no_cause():
    """A report that counts from 0 is wrong about numbers only."""

    async def from_zero(session, rows):
        return await import_articles(session, rows, first=0)

    verdict = judged("13.4.5", from_zero)

    assert causes(verdict) == []
    assert "report" in verdict.decisive.message


def test_one_savepoint_for_all_rows_has_no_cause():
    """All or nothing inside the caller's transaction keeps the caller's rows."""

    async def all_or_nothing(session, rows):
        try:
            async with session.begin_nested():
                session.add_all([Article(**row) for row in rows])
        except IntegrityError:
            return list(range(1, len(rows) + 1))
        return []

    assert causes(judged("13.4.5", all_or_nothing)) == []


# 13.4.6


def retrying(*, runs=5, waits=lambda number, draw: draw * 2**number / 50, kind=DBAPIError, commit=True):
    """Make a retry, right as it stands, to be spoiled by its arguments."""

    async def retry_transaction(sessions, work, *, sleep, random):
        for number in range(runs):
            try:
                async with sessions() as session:
                    result = await work(session)
                    await (session.commit() if commit else session.rollback())
                    return result
            except kind as error:
                if number == runs - 1 or code_of(error) not in TRANSIENT:
                    raise
            wait = waits(number, random())
            if wait is not None:
                await sleep(wait)
        raise AssertionError

    return retry_transaction


def test_base_of_the_spoiled_retries_passes():
    """What the following tests spoil is right before."""
    assert judged("13.4.6", retrying()).passed


@pytest.mark.parametrize(
    "spoiled",
    [
        {"runs": 1},
        {"runs": 4},
        {"runs": 9},
        {"waits": lambda number, draw: None},
        {"waits": lambda number, draw: 0},
        {"waits": lambda number, draw: draw / 10},
        {"waits": lambda number, draw: draw * 20 * 2**number},
        {"kind": ZeroDivisionError},
        {"commit": False},
    ],
    ids=[
        "once",
        "four-times",
        "nine-times",
        "no-wait",
        "zero-wait",
        "tenths",
        "twenties",
        "other-error",
        "no-commit",
    ],
)
def test_other_slips_of_a_retry_have_no_cause(spoiled):
    """Too few runs, too many, no waits, waits that do not grow or are too long, no commit: no stored belief."""
    assert causes(judged("13.4.6", retrying(**spoiled))) == []


def test_savepoint_is_not_a_new_transaction():
    """Work that is run again inside the same transaction has the belief, whatever is put around the runs."""

    async def in_savepoints(sessions, work, *, sleep, random):
        async with sessions.begin() as session:
            for number in range(5):
                try:
                    async with session.begin_nested():
                        return await work(session)
                except DBAPIError as error:
                    if number == 4 or code_of(error) not in TRANSIENT:
                        raise
                await sleep(random() * 2**number / 50)
        raise AssertionError

    assert causes(judged("13.4.6", in_savepoints)) == ["retries-the-statement"]


# All


async def _reference_place_order(sessions, user_id, lines):
    async with sessions.begin() as session:
        return await placed_in(session, user_id, lines)


async def _reference_sell(session, product_id, quantity):
    sold = await sell(session, product_id, quantity)
    await session.commit()
    return sold


@pytest.mark.parametrize(
    ("exercise_id", "answers"),
    [
        ("13.4.1", (_reference_place_order,)),
        ("13.4.2", (place, install_errors)),
        ("13.4.4", (_reference_sell,)),
        ("13.4.5", (import_articles,)),
        ("13.4.6", (retrying(),)),
    ],
)
def test_right_answer_passes_where_postgresql_cannot_run(exercise_id, answers, monkeypatch):
    """Without PostgreSQL every story is told on SQLite, and the verdict is the same."""
    monkeypatch.setattr(judging, "_postgres_can_run", lambda: False)

    verdict = judged(exercise_id, *answers)

    assert verdict.passed, verdict.decisive
    assert any("for want of postgresql" in case.engine for case in verdict.cases)
