"""Answers to 13.10 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from fastapi import HTTPException
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from lab_support.authoring import stored_answers
from lab_support.authoring.stored_answers import every_answer
from lab_support.exercises import State, Verdict, find, judge, section
from lab_support.exercises.s13_10.shop import SALES, STOCK, OutOfStockError, UnknownProductError
from lab_support.pools import PoolSettings, Trouble, problem, trouble_behind

ROOT = Path(__file__).resolve().parents[2]
ANOTHER_SEED = 7


def judged(exercise_id: str, *objects: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)))


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("nonsense", [None, 7, object, print])
@pytest.mark.parametrize("exercise_id", [exercise.id for exercise in section("13.10")])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


@pytest.mark.parametrize("answer", every_answer(ROOT, (find("13.10.1"), find("13.10.6"))), ids=str)
def test_verdict_does_not_hang_on_what_is_drawn_first(answer, monkeypatch):
    """With other numbers, too, each trap has its own cause, and each variant passes."""
    monkeypatch.setattr(stored_answers, "judge", partial(judge, seed=ANOTHER_SEED))

    assert stored_answers.finding_about(answer) is None


# 13.10.1


def sized(**changes: int) -> Any:
    """Make an answer that divides as the task says, but for what is changed."""

    def pool_options(**service: int) -> dict[str, int]:
        workers, engines, most, reserved = (service | changes).values()
        if min(service.values()) < 1 or most - reserved < workers * engines:
            raise ValueError("too few")
        return {"pool_size": min(10, (most - reserved) // (workers * engines)), "max_overflow": 0}

    return pool_options


def test_sizes_as_asked_for_pass():
    """The function that the next tests change is right."""
    assert judged("13.10.1", sized()).passed


@pytest.mark.parametrize("forgotten", [{"engines": 1}, {"reserved": 0}], ids=str)
def test_forgetting_something_else_than_the_workers_has_no_cause(forgotten):
    """Who forgets the engines, or what is reserved, knows that each worker has pools."""
    assert causes(judged("13.10.1", sized(**forgotten))) == []


@pytest.mark.parametrize(
    "options", [{}, {"pool_size": 10, "max_overflow": 0}, {"pool_size": 1, "max_overflow": 0}]
)
def test_sizes_that_never_change_have_no_cause(options):
    """SQLAlchemy's defaults, ten for everybody, and one for everybody: none looks at the server."""
    assert causes(judged("13.10.1", lambda **_: options)) == []


def test_options_that_no_engine_takes_are_an_error_in_the_code():
    """A misspelt option is told by SQLAlchemy's own words."""
    verdict = judged("13.10.1", lambda **_: {"size": 5})

    assert verdict.state is State.ERROR
    assert "size" in verdict.decisive.message


# 13.10.2

SHARE = PoolSettings(size=5, max_overflow=0, timeout_s=0.2)


async def sell(engine: Any, sku: str, units: int, receipt: str) -> int:
    async with engine.begin() as connection:
        free = await connection.scalar(select(STOCK.c.free).where(STOCK.c.sku == sku))
        if free is None:
            raise UnknownProductError(sku)
        if free < units:
            raise OutOfStockError(sku, free)
        await connection.execute(update(STOCK).values(free=free - units))
        await connection.execute(insert(SALES).values(receipt=receipt, sku=sku, units=units))
        return free - units


def test_bigger_pool_without_a_leak_is_too_big_all_the_same():
    """The server has no more to give, so the size is an error of its own."""
    assert causes(judged("13.10.2", PoolSettings(size=5, max_overflow=1), sell)) == ["bigger-pool"]


def test_leak_after_good_sales_too_has_no_cause():
    """Who never closes does not believe that the last line is always reached."""

    async def never_closes(engine, sku, units, receipt):
        connection = await engine.connect()
        free = await connection.scalar(select(STOCK.c.free).where(STOCK.c.sku == sku))
        await connection.execute(insert(SALES).values(receipt=receipt, sku=sku, units=units))
        await connection.commit()
        return free - units

    assert causes(judged("13.10.2", SHARE, never_closes)) == []


def test_swallowed_error_has_no_cause():
    """A sale that returns None when it fails leaves no connection out, and tells nobody."""

    async def silent(*sale):
        with suppress(Exception):
            return await sell(*sale)

    verdict = judged("13.10.2", SHARE, silent)

    assert causes(verdict) == []
    assert "another way" in verdict.decisive.message


def test_half_a_sale_that_stays_has_no_cause():
    """Two transactions give every connection back, and take units that nobody has bought."""

    async def in_two_parts(engine, sku, units, receipt):
        left = await sell(engine, sku, units, f"{receipt}-")
        async with engine.begin() as connection:
            row = {"receipt": receipt, "sku": sku, "units": units}
            await connection.execute(insert(SALES).values(row))
        return left

    assert causes(judged("13.10.2", SHARE, in_two_parts)) == []


# 13.10.6


@pytest.mark.parametrize("seed", range(20))
def test_medians_find_every_knee(seed):
    """Three runs for each size are enough, whatever is drawn."""

    async def find_pool_size(measure, limit):
        found = {
            size: median([(await measure(size)).throughput for _ in range(3)]) for size in range(1, limit + 1)
        }
        return min(size for size in found if found[size] >= 0.95 * max(found.values()))

    exercise = find("13.10.6")
    assert judge(exercise, {"find_pool_size": find_pool_size}, seed=seed).passed


@pytest.mark.parametrize("chosen", [1, 4, 10])
def test_size_that_is_always_the_same_has_no_cause(chosen):
    """A rule of thumb is no measurement, and no belief about one."""

    async def find_pool_size(measure, limit):
        return min(chosen, limit)

    assert causes(judged("13.10.6", find_pool_size)) == []


def test_search_without_an_end_is_ended_by_the_judge():
    """It is told so, at once, and not by the clock."""

    async def find_pool_size(measure, limit):
        while (await measure(1)).throughput:
            pass

    verdict = judged("13.10.6", find_pool_size)

    assert verdict.state is State.FAILED
    assert "without end" in verdict.decisive.message
    assert causes(verdict) == []


@pytest.mark.parametrize("answer", [0, -3, 10_000, 7.5, "8", None])
def test_answer_that_is_no_size_has_no_cause(answer):
    """Nothing but a whole number within the limit is an answer."""

    async def find_pool_size(measure, limit):
        return answer

    assert causes(judged("13.10.6", find_pool_size)) == []


def test_measuring_beyond_the_limit_is_refused_in_one_line():
    """The server would refuse the connections, too."""

    async def find_pool_size(measure, limit):
        return (await measure(limit + 1)).size

    verdict = judged("13.10.6", find_pool_size)

    assert verdict.state is State.ERROR
    assert "this worker may have 1 to" in verdict.decisive.message


# 13.10.4


def answering(statuses: dict[Trouble | None, int], **given: Any) -> Any:
    """Make an answer that gives these statuses, and 503 for every other trouble."""

    def install_errors(app):
        async def answer(request, error):
            status = statuses.get(trouble_behind(error), 503)
            return problem(status, headers={"Retry-After": "1"}, **given)

        for family in (SQLAlchemyError, OSError, Exception):
            app.add_exception_handler(family, answer)

    return install_errors


AS_ASKED = {None: 500, Trouble.TIMED_OUT: 504}


def test_statuses_as_asked_for_pass_with_a_header_too_many():
    """The answer that the next tests change is right; Retry-After beside a 504 does no harm."""
    assert judged("13.10.4", answering(AS_ASKED)).passed


@pytest.mark.parametrize("slow", [500, 408, 502])
def test_another_status_for_what_took_too_long_has_no_cause(slow):
    """Who tells the pool from the statement does not believe that all errors are one."""
    assert causes(judged("13.10.4", answering(AS_ASKED | {Trouble.TIMED_OUT: slow}))) == []


def test_503_where_nothing_else_answers_is_the_belief_that_all_pass():
    """A bug that invites the same request again is that belief, whatever else is right."""
    assert causes(judged("13.10.4", answering({Trouble.TIMED_OUT: 504}))) == ["all-503"]


def test_hiding_a_404_has_no_cause():
    """A handler for HTTPException that answers 500 is no belief about databases."""

    def install_errors(app):
        answering(AS_ASKED)(app)
        app.add_exception_handler(404, lambda request, error: problem(500))
        app.add_exception_handler(HTTPException, lambda request, error: problem(500))

    assert causes(judged("13.10.4", install_errors)) == []


def test_date_in_retry_after_has_no_cause():
    """HTTP allows a date; the task asks for seconds, which two clocks cannot disagree about."""

    def install_errors(app):
        async def answer(request, error):
            status = AS_ASKED.get(trouble_behind(error), 503)
            return problem(status, headers={"Retry-After": "Wed, 25 Nov 2026 03:00:00 GMT"})

        for family in (SQLAlchemyError, OSError, Exception):
            app.add_exception_handler(family, answer)

    assert causes(judged("13.10.4", install_errors)) == []


# 13.10.3


def test_no_limit_at_all_has_no_cause():
    """Who sets nothing does not believe in an option."""

    async def run_within(engine, statement, seconds):
        async with engine.connect() as connection:
            return (await connection.execute(statement)).all()

    assert causes(judged("13.10.3", run_within)) == []


def test_limit_whose_error_comes_out_as_it_is_has_no_cause():
    """The query is stopped, and nobody told the caller so in the form that was asked for."""

    async def run_within(engine, statement, seconds):
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(text(f"SET LOCAL statement_timeout = {round(seconds * 1000)}"))
                return (await connection.execute(statement)).all()
            driver = (await connection.get_raw_connection()).driver_connection
            ends = time.monotonic() + seconds
            await driver.set_progress_handler(lambda: time.monotonic() > ends, 1000)
            try:
                return (await connection.execute(statement)).all()
            finally:
                await driver.set_progress_handler(None, 0)

    verdict = judged("13.10.3", run_within)

    assert causes(verdict) == []
    assert "longer than its limit" in verdict.decisive.message


def test_every_error_as_a_timeout_has_no_cause():
    """A misspelt table is no matter of time."""

    async def run_within(engine, statement, seconds):
        try:
            async with engine.connect() as connection:
                return (await connection.execute(statement)).all()
        except Exception as error:
            raise TimeoutError from error

    verdict = judged("13.10.3", run_within)

    assert causes(verdict) == []
    assert "own error is lost" in verdict.decisive.message


# 13.10.5

FOUR = ("serverSelectionTimeoutMS", "waitQueueTimeoutMS", "connectTimeoutMS", "socketTimeoutMS")


def shared(part: float, **more: Any) -> Any:
    """Make an answer that gives each of the four waits a part of the budget."""

    def mongo_options(*, budget_s, max_connections):
        each = dict.fromkeys(FOUR, int(budget_s * 1000 * part))
        return {**each, "maxPoolSize": max_connections, **more}

    return mongo_options


def test_limits_that_leave_room_for_the_second_try_pass():
    """Eight waits of an eighth are one budget: only the blocked server must not be asked again."""
    assert judged("13.10.5", shared(1 / 8, retryReads=False)).passed


def test_no_limit_written_as_nought_is_no_limit():
    """The driver reads timeoutMS=0 as "for ever"."""
    assert causes(judged("13.10.5", shared(1 / 8, timeoutMS=0))) == ["default-waits-forever"]


def test_whole_limit_beyond_the_budget_has_no_cause():
    """Whoever bounds the whole operation, only too loosely, holds none of the beliefs."""

    def mongo_options(*, budget_s, max_connections):
        return {"timeoutMS": int(budget_s * 2000), "maxPoolSize": max_connections}

    assert causes(judged("13.10.5", mongo_options)) == []


def test_pool_of_the_usual_size_has_no_cause():
    """Limits as they should be, and 100 connections, are another error."""
    verdict = judged("13.10.5", lambda *, budget_s, max_connections: {"timeoutMS": int(budget_s * 1000)})

    assert causes(verdict) == []
    assert "another size" in verdict.decisive.message
