"""13.4.4: no lost update, judged by the stock after a rival came between and after forty buyers at once."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import event, select, text, update
from sqlalchemy.util import await_only

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Load, Misconception
from lab_support.exercises.s13_04.ledger import open_shop, writers
from lab_support.exercises.s13_04.shop import Product
from lab_support.exercises.story import Story

BUYERS, STOCK = 40, 30
HEAD_START_S = 0.1
CROWD = Load(connections=20, lock_s=8)

lost_update = Exercise(
    id="13.4.4",
    title="No lost update",
    task="Sell from a stock that others sell from too, so that the stock is exact whoever comes between.",
    student_writes=("sell",),
    witness="rows",
    limit_s=30.0,
    hints=(
        "Between your SELECT and your UPDATE somebody else commits. Which number does your UPDATE write? And whose "
        "number is in an object that the session has loaded before?",
        "Three ways are right: an UPDATE with the condition in its WHERE; a lock with `with_for_update=True` and "
        "`populate_existing=True`; a version that is compared, and the whole work again when it differs.",
        "sold = await session.execute(update(Product).where(Product.id == product_id, Product.stock >= quantity)\n"
        "    .values(stock=Product.stock - quantity))\nawait session.commit()\nreturn sold.rowcount == 1",
    ),
    misconceptions=(
        Misconception(
            "read-modify-write",
            "You believe that a number stays true until you write it back. Another sale was committed in between, and "
            "your write erased it: let the UPDATE subtract, lock the row, or count versions.",
            lambda seen: seen.lost_rival and seen.exact_on_postgresql is False,
        ),
        Misconception(
            "asyncio-lock",
            "You believe that a lock in Python protects a row. It holds back this process only, and the next one "
            "erased a sale: lock in the database, where all of them meet.",
            lambda seen: seen.lost_rival and seen.exact_on_postgresql is True and seen.one_at_a_time,
        ),
        Misconception(
            "retries-the-commit",
            "You believe that a commit which failed can be tried again. Its transaction is gone, and the second "
            "commit keeps nothing: run the whole work again, from its first SELECT.",
            lambda seen: seen.sells_when_calm and seen.sold_nothing,
        ),
        Misconception(
            "locks-but-reads-stale",
            "You believe that FOR UPDATE reads the row anew. The row was locked, but the session kept the object it "
            "had already, with the old stock: add populate_existing=True.",
            lambda seen: seen.lost_after_load and seen.lost_rival is False,
        ),
    ),
)


@lost_update.act
async def one_sale(attempt: Attempt, product_id: int, quantity: int, loaded: bool) -> Any:
    """Sell once, in a session that has loaded the product before, or in a fresh one."""
    async with writers(attempt)() as session:
        kept = None
        if loaded:
            kept = await session.get(Product, product_id)
            await session.execute(text("SELECT 1 AS loaded"))
        sold = await attempt.the("sell")(session, product_id, quantity)
        del kept
    return sold


@lost_update.act
async def many_sales(attempt: Attempt, product_id: int, buyers: int) -> dict[str, Any]:
    """Let every buyer buy one piece at once, each in a session of its own.

    The first UPDATE waits, so that others have read by then; `at_once` is how many use a connection when it goes on.
    """
    first, at_once = [True], [0]

    def hold_back(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if first and statement.upper().startswith("UPDATE"):
            first.clear()
            await_only(asyncio.sleep(HEAD_START_S))
            at_once.append(attempt.checked_out)

    async def buy() -> Any:
        async with writers(attempt)() as session:
            return await attempt.the("sell")(session, product_id, 1)

    event.listen(attempt.engine.sync_engine, "before_cursor_execute", hold_back)
    try:
        answers = await asyncio.gather(*(buy() for _ in range(buyers)), return_exceptions=True)
    finally:
        event.remove(attempt.engine.sync_engine, "before_cursor_execute", hold_back)
    errors = sorted({type(one).__name__ for one in answers if isinstance(one, BaseException)})
    return {"sold": sum(one is True for one in answers), "errors": errors, "at_once": at_once[-1]}


async def _product(story: Story, stock: int) -> int:
    await open_shop(story, stock=stock)
    return int((await story.rows(select(Product.id)))[0]["id"])


async def _stock(story: Story) -> int:
    return int((await story.rows(select(Product.stock)))[0]["stock"])


@lost_update.scenario("a sale takes its pieces, and what is not there is not sold")
async def calm(story: Story) -> None:
    stock, quantity = story.random.randint(20, 90), story.random.randint(2, 9)
    product_id = await _product(story, stock)
    for wanted, sold, left in (
        (quantity, True, stock - quantity),
        (stock, False, stock - quantity),
        (stock - quantity, True, 0),
    ):
        answer = await story.ask(
            one_sale, call=f"sell(session, {product_id}, {wanted})",
            product_id=product_id, quantity=wanted, loaded=False,
        )  # fmt: skip
        story.equal(answer.value, sold, "The answer is not whether the pieces were sold.")
        story.equal(await _stock(story), left, "The stock after the sale is another.")
    story.saw(sells_when_calm=True)


async def _meet_a_rival(story: Story, *, loaded: bool) -> None:
    """Sell while somebody else sells: before the first UPDATE, or after the session has loaded the product."""
    stock, ours, theirs = (
        story.random.randint(50, 90),
        story.random.randint(2, 9),
        story.random.randint(11, 19),
    )
    product_id = await _product(story, stock)
    sale = update(Product).values(stock=Product.stock - theirs, version=Product.version + 1)

    async def rival(connection: Any) -> None:
        await connection.execute(sale)

    moment = "after the session has loaded the product" if loaded else "before the first UPDATE"
    answer = await story.ask(
        one_sale, call=f"sell(session, {product_id}, {ours}); {moment} somebody else sells {theirs}",
        rival=rival, rival_before="SELECT 1 AS loaded" if loaded else r"\s*UPDATE\b",
        product_id=product_id, quantity=ours, loaded=loaded,
    )  # fmt: skip
    left = await _stock(story)
    came = answer.rival == "came between"
    lost = came and answer.value is True and left == stock - ours
    story.saw(
        **{"lost_after_load" if loaded else "lost_rival": lost},
        sold_nothing=story.seen.sold_nothing or (came and answer.value is True and left == stock - theirs),
    )
    story.equal(answer.value, True, "There are enough pieces, and none was sold.")
    told = "The other sale is lost." if lost else "The stock is not exact."
    story.equal(left, stock - ours - (theirs if came else 0), told)


@lost_update.scenario("a sale that somebody else commits in between is not lost", on="postgresql", points=2)
async def rival_in_between(story: Story) -> None:
    await _meet_a_rival(story, loaded=False)


@lost_update.scenario("an object loaded before is not believed", on="postgresql", points=2)
async def rival_after_load(story: Story) -> None:
    await _meet_a_rival(story, loaded=True)


async def _forty_buyers(story: Story) -> None:
    product_id = await _product(story, STOCK)
    answer = await story.ask(
        many_sales, call=f"{BUYERS} buyers of one piece at once, stock {STOCK}",
        product_id=product_id, buyers=BUYERS,
    )  # fmt: skip
    left = await _stock(story)
    exact = answer["sold"] == STOCK - left
    story.saw(**{f"exact_on_{story.dialect}": exact})
    if story.dialect == "postgresql":
        story.saw(one_at_a_time=answer["at_once"] == 1)
    observed = f"{answer['sold']} sold, stock {left}" + (
        f"; errors {answer['errors']}" if answer["errors"] else ""
    )
    story.expect(exact and left == 0, "Sales and stock do not agree.",
                 expected=f"{STOCK} sold, stock 0", observed=observed)  # fmt: skip


@lost_update.scenario("40 buyers at once on PostgreSQL leave an exact stock", on="postgresql", load=CROWD)
async def crowd_on_postgresql(story: Story) -> None:
    await _forty_buyers(story)


@lost_update.scenario("40 buyers at once on SQLite leave an exact stock", load=CROWD)
async def crowd_on_sqlite(story: Story) -> None:
    await _forty_buyers(story)
