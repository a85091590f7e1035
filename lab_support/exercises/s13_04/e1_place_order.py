"""13.4.1: place_order, judged by the books after a crash at every statement and after somebody came between."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Load, Misconception
from lab_support.exercises.s13_04.faults import ProcessDied, fault
from lab_support.exercises.s13_04.ledger import books, new_rows, open_shop, writers
from lab_support.exercises.s13_04.shop import Product, User
from lab_support.exercises.story import Story

MOST_STATEMENTS = 30

place_order = Exercise(
    id="13.4.1",
    title="place_order",
    task="Take stock and money and write order, items and payment, so that all of it happens or none.",
    student_writes=("place_order",),
    witness="rows",
    limit_s=30.0,
    hints=(
        "Stop after each of your statements in turn. What is in the tables if the process ends there? And what if "
        "somebody buys the last piece just before your UPDATE?",
        "One transaction around everything: `async with sessions.begin() as session`. An UPDATE that takes stock only "
        "where there is enough checks and writes in one step; its result's rowcount tells whether it found a row.",
        "taken = await session.execute(update(Product).where(Product.id == product_id, Product.stock >= quantity)\n"
        "    .values(stock=Product.stock - quantity))\nif taken.rowcount == 0:\n    raise OutOfStock(...)",
    ),
    misconceptions=(
        Misconception(
            "commit-per-repository",
            "You believe that each part should make its own change safe. Between two commits a crash leaves half an "
            "order: one business change has one commit, and it comes last.",
            lambda seen: (seen.halves or 0) > 0 and seen.commits_when_calm > 1,
        ),
        Misconception(
            "swallows-error",
            "You believe that an error which is caught is dealt with. The caller was told that there is an order: "
            "let the error out, so that the transaction is undone and the caller knows.",
            lambda seen: (seen.told_wrongly or 0) > 0 and (seen.commits_when_calm or 0) <= 1,
        ),
        Misconception(
            "check-then-write",
            "You believe that what you read is still true when you write. Somebody bought in between, and the same "
            "pieces were sold twice: lock the row, let the UPDATE check, or count versions.",
            lambda seen: seen.came_between and seen.sold_twice,
        ),
    ),
)


@place_order.act
async def order(
    attempt: Attempt, user_id: int, lines: list[list[int]], after: int = 0, how: str = "error"
) -> dict[str, Any]:
    """Place one order; with a fault after so many statements, if asked for."""
    error, placed = "", None
    with fault(attempt.engine, after, how) as injected:
        try:
            placed = await attempt.the("place_order")(
                writers(attempt), user_id, [tuple(one) for one in lines]
            )
        except (ProcessDied, Exception) as raised:
            error = type(raised).__name__
            if not injected.reached:
                raise
    return {"error": error, "id": placed, "statements": injected.statements, "reached": injected.reached}


@place_order.act
async def crowd(attempt: Attempt, user_ids: list[int], product_id: int) -> dict[str, Any]:
    """Let everybody order one piece at once."""
    sessions = writers(attempt)
    answers = await asyncio.gather(
        *(attempt.the("place_order")(sessions, one, [(product_id, 1)]) for one in user_ids),
        return_exceptions=True,
    )
    refused = [type(one).__name__ for one in answers if isinstance(one, BaseException)]
    return {"placed": len(answers) - len(refused), "refused": sorted(set(refused))}


Lines = list[tuple[int, int]]


def _is_complete(before: Any, after: Any, user_id: int, lines: Lines, prices: dict[int, Decimal]) -> bool:
    """Whether the books show exactly one more order, with its items, its payment, less stock and less money."""
    new = new_rows(before, after)
    if len(new["orders"]) != 1 or new["orders"][0][1] != user_id:
        return False
    number, total = new["orders"][0][0], sum(prices[one] * many for one, many in lines)
    taken = dict(lines)
    return bool(
        new["items"] == sorted((number, one, many, prices[one]) for one, many in lines)
        and new["payments"] == [(number, total)]
        and after["stock"] == [(one, stock - taken.get(one, 0)) for one, stock in before["stock"]]
        and after["balance"]
        == [(one, money - (total if one == user_id else 0)) for one, money in before["balance"]]
    )


async def _a_shop(story: Story, *, stock: int, products: int) -> tuple[int, Lines, dict[int, Decimal]]:
    """Open a shop with one user; return the user, lines of one or two pieces each, and the prices."""
    await open_shop(story, stock=stock, products=products)
    user_id = (await story.rows(select(User.id)))[0]["id"]
    prices = {row["id"]: row["price"] for row in await story.rows(select(Product.id, Product.price))}
    lines = [(one, story.random.randint(1, 2)) for one in story.random.sample(sorted(prices), products)]
    return user_id, lines, prices


def _say(rows: dict[str, list[Any]]) -> str:
    return ", ".join(f"{len(found)} new {name}" for name, found in rows.items())


@place_order.scenario("an order is complete: stock, money, order, items and payment")
async def a_complete_order(story: Story) -> None:
    user_id, lines, prices = await _a_shop(story, stock=9, products=2)
    before = await books(story)
    answer = await story.ask(order, call="an order of two products", user_id=user_id, lines=lines)
    after = await books(story)
    story.saw(commits_when_calm=answer.commits)
    story.expect(
        _is_complete(before, after, user_id, lines, prices),
        "The order is not complete, or something else has changed too.",
        expected="1 new orders, 2 new items, 1 new payments; less stock and less money",
        observed=f"{_say(new_rows(before, after))}; stock {before['stock']} -> {after['stock']}, "
        f"balance {before['balance']} -> {after['balance']}",
    )
    story.equal(answer["id"], new_rows(before, after)["orders"][0][0], "That is not the order's id.")


@place_order.scenario("an order that cannot be filled or paid is refused and leaves nothing")
async def refused(story: Story) -> None:
    user_id, lines, _ = await _a_shop(story, stock=9, products=2)
    last = lines[-1][0]
    for lack, wanted in (("OutOfStock", [*lines[:-1], (last, 10)]), ("InsufficientBalance", lines)):
        if lack == "InsufficientBalance":
            await story.write(update(User).values(balance=Decimal("0.10")))
        before = await books(story)
        answer = await story.ask(
            order, call=f"an order that ends in {lack}", may_fail=True, user_id=user_id, lines=wanted
        )
        types = answer.error.types if answer.error else ("no error",)
        story.expect(lack in types, "The caller was not told why.", expected=lack, observed=types[0])
        left = new_rows(before, await books(story))
        story.expect(before == await books(story), "A refused order left something.", observed=_say(left))


@place_order.scenario("a crash after any statement leaves all of the order or nothing", points=3)
async def crash_anywhere(story: Story) -> None:
    user_id, lines, prices = await _a_shop(story, stock=900, products=2)
    await story.write(update(User).values(balance=Decimal(900_000)))
    number = (await story.ask(order, call="an order", user_id=user_id, lines=lines))["statements"]
    before = await books(story)
    for after in range(1, min(number, MOST_STATEMENTS) + 1):
        for how in ("error", "death"):
            call = f"an order with {'an error' if how == 'error' else 'the end of the process'} after statement {after}"
            answer = await story.ask(
                order, call=call, may_fail=True, user_id=user_id, lines=lines, after=after, how=how
            )
            now = await books(story)
            complete = _is_complete(before, now, user_id, lines, prices)
            half, returned = not complete and now != before, answer.error is None and not answer["error"]
            story.saw(
                halves=(story.seen.halves or 0) + half,
                told_wrongly=(story.seen.told_wrongly or 0) + (returned and not complete),
            )
            told = f"After statement {after} of {number} came {'an error' if how == 'error' else 'the end'}"
            story.expect(not half, f"{told}, and a part of the order is left.",
                         expected="all or nothing", observed=_say(new_rows(before, now)))  # fmt: skip
            story.expect(complete or not returned, f"{told}, nothing is left, and the caller was not told.")
            before = now


@place_order.scenario("what somebody else takes in between is not sold twice", on="postgresql", points=2)
async def nothing_sold_twice(story: Story) -> None:
    user_id, lines, prices = await _a_shop(story, stock=5, products=2)
    takes = {
        "products": update(Product).values(stock=0, version=Product.version + 1),
        "users": update(User).values(balance=0, version=User.version + 1),
    }
    for (table, take), line in zip(takes.items(), lines, strict=True):
        take_only = take.where(Product.id == line[0]) if table == "products" else take

        async def rival(connection: Any, take: Any = take_only) -> None:
            await connection.execute(take)

        before = await books(story)
        what = "the last pieces" if table == "products" else "the money"
        answer = await story.ask(
            order, call=f"an order, while somebody else takes {what}", may_fail=True,
            rival=rival, rival_before=rf'\s*UPDATE\s+"?{table}\b', user_id=user_id, lines=[line],
        )  # fmt: skip
        after, came = await books(story), answer.rival == "came between"
        new = new_rows(before, after)
        twice = came and bool(new["items"] if table == "products" else new["payments"])
        story.saw(came_between=came, sold_twice=twice)
        story.expect(not twice, f"Somebody else took {what} before your UPDATE, and you sold on it all the same.",
                     expected="no order", observed=_say(new))  # fmt: skip
        story.expect(not (came and any(new.values())), "A refused order left something.", observed=_say(new))
        complete = _is_complete(before, after, user_id, [line], prices)
        story.expect(came or complete, "Nobody came between, and yet the order is not complete.")


@place_order.scenario(
    "20 buyers of 5 pieces make 5 orders", on="postgresql", points=2, load=Load(connections=20, lock_s=8)
)
async def twenty_buyers(story: Story) -> None:
    await open_shop(story, stock=5, users=4)
    users = [row["id"] for row in await story.rows(select(User.id))] * 5
    story.random.shuffle(users)
    product = (await story.rows(select(Product.id, Product.price)))[0]
    before = await books(story)
    answer = await story.ask(
        crowd, call="20 orders of one piece at once", user_ids=users, product_id=product["id"]
    )
    after = await books(story)
    new, paid = new_rows(before, after), _money(before) - _money(after)
    observed = f"{len(new['orders'])} orders, stock {after['stock'][0][1]}; refused with {answer['refused']}"
    story.expect(
        len(new["orders"]) == answer["placed"] == 5 and after["stock"][0][1] == 0,
        "The orders do not agree with the stock.", expected="5 orders, stock 0", observed=observed,
    )  # fmt: skip
    story.equal(paid, 5 * product["price"], "The money does not agree with the orders.")
    story.equal(
        (len(new["items"]), len(new["payments"])), (5, 5), "Items and payments are not one per order."
    )


def _money(rows: dict[str, list[Any]]) -> Decimal:
    return sum((money for _, money in rows["balance"]), Decimal(0))
