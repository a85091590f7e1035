"""What every repository of products promises, told as stories for 13.3.1 and 13.3.2 alike.

Section:
    13.3, "One contract for all"
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Row, RowMapping

from lab_support.exercises.model import Exercise
from lab_support.exercises.story import Story, StudentCodeRaised
from lab_support.services.store.entities import Product, StoreBase

COLUMNS = ("name", "description", "price", "stock", "is_available")
NOBODY = 999_999

Step = list[Any]
Act = Callable[..., Awaitable[Any]]
Use = Callable[..., Awaitable[list[Any]]]
Promise = Callable[[Story, Use], Awaitable[None]]


async def take(repository: Any, steps: list[Step]) -> list[Any]:
    """Call methods one after another and return what each returned, as JSON.

    The text `@2` among the arguments stands for the id of what step 2 returned; where that has none, the steps end.
    """
    answers: list[Any] = []
    for method, *arguments in steps:
        references = [int(one[1:]) for one in arguments if isinstance(one, str) and one.startswith("@")]
        if any(not isinstance(answers[one], dict) or answers[one].get("id") is None for one in references):
            break
        given = [_argument(one, answers) for one in arguments]
        answers.append(described(await getattr(repository, method)(*given)))
    return answers


def _argument(sent: Any, answers: list[Any]) -> Any:
    if isinstance(sent, dict):
        return {name: Decimal(value) if name == "price" else value for name, value in sent.items()}
    return answers[int(sent[1:])]["id"] if isinstance(sent, str) and sent.startswith("@") else sent


def described(returned: Any) -> Any:
    """Show what a method returned as JSON: a product by its columns, anything else by its kind."""
    if returned is None or isinstance(returned, bool):
        return returned
    if isinstance(returned, Product):
        columns = {name: getattr(returned, name) for name in COLUMNS}
        exact = isinstance(columns["price"], Decimal)
        columns["price"] = f"{columns['price']:.2f}" if exact else repr(columns["price"])
        return {"kind": "Product", "id": returned.id, **columns}
    if isinstance(returned, Row | RowMapping):
        return {"kind": "row"}
    if isinstance(returned, Iterable) and not isinstance(returned, str | dict):
        return [described(one) for one in returned]
    return {"kind": type(returned).__name__}


def a_product(draw: random.Random) -> dict[str, Any]:
    """Draw the columns of a product that nobody could foresee, as JSON."""
    return {
        "name": f"lamp {draw.randint(1, 10**6)}",
        "description": f"shade {draw.randint(1, 99)}",
        "price": f"{Decimal(draw.randint(100, 99_999)) / 100:.2f}",
        "stock": draw.randint(1, 500),
        "is_available": draw.random() < 0.5,
    }


def promise_all(exercise: Exercise, act: Act) -> None:
    """Register every promise as a scenario of the exercise; `act(attempt, steps)` uses the student's repository."""
    for title, tell in (
        ("what is created has an id, and is found by it, by its name and in the list", _creates_and_finds),
        ("update changes what it is given and nothing else", _updates),
        ("of two products with one name, get_by_name gives the older", _two_of_one_name),
        ("what is deleted is gone, and delete says whether there was anything", _deletes),
    ):
        exercise.scenario(title)(partial(_told, tell, act))


async def _told(tell: Promise, act: Act, story: Story) -> None:
    await story.create(StoreBase.metadata)
    await tell(story, partial(use, story, act))


async def use(story: Story, act: Act, *steps: Step, **how: Any) -> list[Any]:
    """Have the steps taken on the student's repository and return what each returned."""
    call = ", ".join(str(step[0]) for step in steps)
    answer = await story.ask(act, call=f"on one repository: {call}", steps=list(steps), **how)
    answers: list[Any] = answer.value
    flat = [one for found in answers for one in (found if isinstance(found, list) else [found])]
    rows = any(isinstance(one, dict) and one["kind"] == "row" for one in flat)
    story.saw(returned_rows=rows or story.seen.returned_rows)
    story.expect(
        not rows, "A method returned a row of the result set.", expected="a Product", observed="a Row"
    )
    story.expect(
        len(answers) == len(steps), "`create` did not return a product with an id.",
        expected="a Product whose id the database has given", observed=answers[-1],
    )  # fmt: skip
    return answers


async def _creates_and_finds(story: Story, use: Use) -> None:
    lamp, desk = a_product(story.random), a_product(story.random)
    bare = {"name": f"bare {story.random.randint(1, 10**6)}", "price": "0.10"}
    filled = bare | {"description": None, "stock": 0, "is_available": True}
    first, second, third, by_id, by_name, everything, no_id, no_name = await use(
        ["create", lamp], ["create", desk], ["create", bare],
        ["get_by_id", "@1"], ["get_by_name", desk["name"]], ["get_all"],
        ["get_by_id", NOBODY], ["get_by_name", "no such product"],
    )  # fmt: skip
    for made, columns in ((first, lamp), (second, desk), (third, filled)):
        same(story, made, {"kind": "Product", "id": made["id"], **columns}, "`create` made another product.")
    story.equal(len({made["id"] for made in (first, second, third)}), 3, "Two products have the same id.")
    same(story, by_id, second, "`get_by_id` does not give the product.")
    same(story, by_name, second, "`get_by_name` does not give the product.")
    wanted = sorted((first, second, third), key=lambda made: made["id"])
    same(story, everything, wanted, "`get_all` does not give every product, in the order of the ids.")
    story.equal((no_id, no_name), (None, None), "Where there is no such product, the answer is not None.")
    story.saw(creates_and_finds=True)


async def _updates(story: Story, use: Use) -> None:
    lamp, stock = a_product(story.random), story.random.randint(600, 900)
    lamp["is_available"] = False
    try:
        made, told, found, _, cleared, nobody = await use(
            ["create", lamp],
            ["update", "@0", {"stock": stock}], ["get_by_id", "@0"],
            ["update", "@0", {"description": None}], ["get_by_id", "@0"],
            ["update", NOBODY, {"stock": stock}],
        )  # fmt: skip
    except StudentCodeRaised:
        failed = [event["sql"] or "" for event in story.answers[-1].events if event["error"]]
        story.saw(overwrote_unset=any(sql.startswith("UPDATE") for sql in failed))
        raise
    changed = made | {"stock": stock}
    unset = [name for name in COLUMNS if name != "stock"]
    if isinstance(found, dict) and found["kind"] == "Product":
        story.saw(overwrote_unset=any(found[name] != made[name] for name in unset))
    same(story, found, changed, "After `update` of the stock, the product is not as it should be.")
    same(story, told, changed, "`update` does not return the changed product.")
    same(story, cleared, changed | {"description": None}, "A None that was given is not kept.")
    story.equal(nobody, None, "`update` of an unknown id does not return None.")


async def _two_of_one_name(story: Story, use: Use) -> None:
    older = a_product(story.random)
    younger = a_product(story.random) | {"name": older["name"]}
    try:
        first, _, found = await use(["create", older], ["create", younger], ["get_by_name", older["name"]])
    except StudentCodeRaised as raised:
        story.saw(crashed_on_two="MultipleResultsFound" in raised.error.types)
        raise
    same(story, found, first, "`get_by_name` does not give the product with the smaller id.")


async def _deletes(story: Story, use: Use) -> None:
    lamp, desk = a_product(story.random), a_product(story.random)
    _, kept, done, by_id, by_name, everything, again, changed = await use(
        ["create", lamp], ["create", desk], ["delete", "@0"],
        ["get_by_id", "@0"], ["get_by_name", lamp["name"]], ["get_all"],
        ["delete", "@0"], ["update", "@0", {"stock": 1}],
    )  # fmt: skip
    story.equal((by_id, by_name), (None, None), "A deleted product is still found.")
    same(story, everything, [kept], "After `delete`, `get_all` does not give exactly the other product.")
    story.equal((done, again), (True, False), "`delete` does not say whether there was anything to delete.")
    story.equal(changed, None, "`update` of a deleted product does not return None.")


def same(story: Story, observed: Any, expected: Any, message: str) -> None:
    """Compare products and, where they differ, show only in what."""
    if not (isinstance(observed, dict) and isinstance(expected, dict)):
        story.equal(observed, expected, message)
        return
    differing = [name for name in expected if observed.get(name) != expected[name]]
    story.expect(
        not differing, message,
        expected={name: expected[name] for name in differing},
        observed={name: observed.get(name) for name in differing},
    )  # fmt: skip
