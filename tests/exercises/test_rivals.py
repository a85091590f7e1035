"""The rival: it comes between read and write, once, from the judge's side, and never waits long for a lock."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, update

from lab_support.database import build_engine
from lab_support.exercises import Verdict, find, judge
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Load
from lab_support.exercises.rival import Rival
from lab_support.exercises.s13_04.shop import Product, ShopBase
from lab_support.exercises.story import Story

metadata = MetaData()
counters = Table("counters", metadata, Column("id", Integer, primary_key=True), Column("value", Integer))


def add_one(*, on: str, load: Load | None = None) -> tuple[Exercise, list[Any]]:
    """Declare an exercise, `increment(session)`, in whose way a rival adds 100; its list takes what was seen."""
    exercise = Exercise("99.2.1", "Add one", "Add one.", ("increment",), "rows", ("a", "b", "c"), ())
    met: list[Any] = []

    @exercise.act
    async def call(attempt: Attempt) -> int:
        async with attempt.sessions() as session:
            await attempt.the("increment")(session)
        return int(attempt.engine.pool.size())  # type: ignore[attr-defined]

    @exercise.scenario("nothing is lost", on=on, load=load)
    async def nothing_is_lost(story: Story) -> None:
        await story.create(metadata)
        await story.write(counters.insert(), [{"id": 1, "value": 0}])

        async def add_a_hundred(connection: Any) -> None:
            await connection.execute(update(counters).values(value=counters.c.value + 100))

        answer = await story.ask(call, rival=add_a_hundred, may_fail=True)
        value = (await story.rows(select(counters.c.value)))[0]["value"]
        met.append({"rival": answer.rival, "value": value, "pool": answer.value, "error": answer.error})

    return exercise, met


async def reads_then_writes(session: Any) -> None:
    value = await session.scalar(select(counters.c.value))
    await session.execute(update(counters).values(value=value + 1))
    await session.execute(update(counters).values(value=value + 1))
    await session.commit()


async def locks_then_writes(session: Any) -> None:
    value = await session.scalar(select(counters.c.value).with_for_update())
    await session.execute(update(counters).values(value=value + 1))
    await session.commit()


async def only_reads(session: Any) -> None:
    await session.scalar(select(counters.c.value))


def judged(exercise: Exercise, increment: Any) -> Verdict:
    verdict = judge(exercise, {"increment": increment})
    assert verdict.passed, verdict.decisive
    return verdict


def test_rival_comes_between_read_and_write():
    """What was read before is old when it is written, and the rival comes only once."""
    exercise, met = add_one(on="postgresql")

    judged(exercise, reads_then_writes)

    assert met[0] | {"pool": 0} == {"rival": "came between", "value": 1, "pool": 0, "error": None}


def test_rival_is_kept_out_by_a_lock():
    """A rival that meets a lock gives up, and the story goes on."""
    exercise, met = add_one(on="postgresql")

    judged(exercise, locks_then_writes)

    assert (met[0]["rival"], met[0]["value"], met[0]["error"]) == ("kept out", 1, None)


def test_rival_refuses_the_old_snapshot_on_sqlite():
    """On SQLite a reader that turns writer after the rival gets an error, and loses nothing."""
    exercise, met = add_one(on="sqlite")

    judged(exercise, reads_then_writes)

    assert (met[0]["rival"], met[0]["value"]) == ("came between", 100)
    assert "OperationalError" in met[0]["error"].types


def test_rival_is_not_met_where_nothing_is_written():
    """Code that only reads meets no rival."""
    exercise, met = add_one(on="sqlite")

    judged(exercise, only_reads)

    assert (met[0]["rival"], met[0]["value"]) == ("not met", 0)


@pytest.mark.parametrize(("load", "connections"), [(None, 5), (Load(connections=20), 20)])
def test_scenario_has_the_connections_it_asks_for(load, connections):
    """Five connections as a rule, and more for a crowd."""
    exercise, met = add_one(on="sqlite", load=load)

    judged(exercise, only_reads)

    assert met[0]["pool"] == connections


async def test_error_of_the_rival_itself_is_not_hidden(tmp_path):
    """Only the database may keep a rival out; a slip in the story is the story's."""

    async def slips(_connection: Any) -> None:
        raise LookupError("a slip")

    engine = build_engine(f"sqlite:///{tmp_path / 'a.db'}")
    rival = Rival(engine, slips)
    with pytest.raises(LookupError):
        await rival.come()
    await engine.dispose()

    assert rival.outcome == "not met"


def test_rival_of_a_fresh_process_comes_in_this_one():
    """The student's process only asks for the rival; the change is made by the judge's."""
    met: list[Any] = []
    listed = find("13.4.4")
    exercise = Exercise("13.4.4", "Sell", "Sell.", ("sell",), "rows", ("a", "b", "c"), (), acts=listed.acts)

    @exercise.scenario("a rival comes between", on="postgresql")
    async def rival_comes(story: Story) -> None:
        await story.create(ShopBase.metadata)
        await story.write(insert(Product), [{"id": 1, "name": "lamp", "price": 1, "stock": 50}])

        async def rival(connection: Any) -> None:
            await connection.execute(update(Product).values(stock=Product.stock - 20))

        answer = await story.ask(
            listed.acts["one_sale"], product_id=1, quantity=5, loaded=False, rival=rival, fresh_process=True
        )
        met.append([answer.rival, answer.value, *await story.rows(select(Product.stock))])

    verdict = judge(exercise, {"sell": sells_what_it_read})

    assert verdict.passed, verdict.decisive
    assert met == [["came between", True, {"stock": 45}]]


async def sells_what_it_read(session: Any, product_id: int, quantity: int) -> bool:
    product = await session.get(Product, product_id)
    product.stock -= quantity
    await session.commit()
    return True
