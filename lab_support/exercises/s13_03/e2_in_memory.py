"""13.3.2: a repository without a database under the contract of 13.3.1, judged by what it hands out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_03.contract import a_product, described, promise_all, same, take, use
from lab_support.exercises.story import Story

in_memory = Exercise(
    id="13.3.2",
    title="A repository in memory",
    task="Keep the same promises without a database, so that a service can be tested without one.",
    student_writes=("InMemoryProductRepository",),
    witness="answers",
    hints=(
        "Who else holds the object that you return? And what does your next id depend on?",
        "Keep the columns of each product in a dict of your own, and make a new `Product(...)` of them for every "
        "answer. Ids come from a counter that only goes up.",
        "self._rows, self._last_id = {}, 0  # a row is a dict of columns\n"
        "# create: self._last_id += 1; self._rows[self._last_id] = {…defaults, **columns}\n"
        "# every answer: Product(id=product_id, **self._rows[product_id])",
    ),
    misconceptions=(
        Misconception(
            "hands-out-its-own-object",
            "You believe that an object you return is the caller's. It is also still yours: whoever changes it changes "
            "your store, without `update`. Hand out a new Product each time.",
            lambda seen: seen.creates_and_finds and seen.changed_from_outside,
        ),
        Misconception(
            "reuses-ids",
            "You believe that an id is free again after a delete. An order may still name the old product and would "
            "now mean the new one: count up, and never back.",
            lambda seen: seen.creates_and_finds and seen.ids_given_again,
        ),
    ),
)


@in_memory.act
async def use_repository(attempt: Attempt, steps: list[list[Any]]) -> list[Any]:
    """Take the steps on a new repository."""
    return await take(attempt.the("InMemoryProductRepository")(), steps)


promise_all(in_memory, use_repository)

HANDS_OUT = ("create", "get_by_id", "get_by_name", "get_all", "update")


@in_memory.act
async def change_what_it_hands_out(
    attempt: Attempt, columns: dict[str, Any], by: str, name: str
) -> list[Any]:
    """Rename a product that the method `by` returned, tell the repository nothing, and look it up before and after."""
    repository = attempt.the("InMemoryProductRepository")()
    created = await repository.create(columns | {"price": Decimal(columns["price"])})
    number = created.id
    arguments: dict[str, tuple[Any, ...]] = {
        "get_by_id": (number,),
        "get_by_name": (columns["name"],),
        "get_all": (),
        "update": (number, {"stock": columns["stock"]}),
    }
    handed_out = created if by == "create" else await getattr(repository, by)(*arguments[by])
    before = described(await repository.get_by_id(number))
    (next(iter(handed_out)) if by == "get_all" else handed_out).name = name
    return [before, described(await repository.get_by_id(number))]


@in_memory.act
async def change_what_it_was_given(attempt: Attempt, columns: dict[str, Any], name: str) -> list[Any]:
    """Change the caller's own dict after `create`, and look the product up before and after."""
    repository = attempt.the("InMemoryProductRepository")()
    given = columns | {"price": Decimal(columns["price"])}
    number = (await repository.create(given)).id
    before = described(await repository.get_by_id(number))
    given["name"] = name
    return [before, described(await repository.get_by_id(number))]


@in_memory.scenario("a product changes by update only, whoever changes an object outside", points=2)
async def objects_are_copies(story: Story) -> None:
    name = f"renamed {story.random.randint(1, 10**6)}"
    for by in story.random.sample(HANDS_OUT, len(HANDS_OUT)):
        answer = await story.ask(
            change_what_it_hands_out, call=f"rename what `{by}` returned, then get_by_id",
            columns=a_product(story.random), by=by, name=name,
        )  # fmt: skip
        before, after = answer.value
        story.saw(changed_from_outside=story.seen.changed_from_outside or after == before | {"name": name})
        same(story, after, before, f"A change to what `{by}` returned got into the repository.")
    answer = await story.ask(
        change_what_it_was_given, call="change the dict that `create` was given, then get_by_id",
        columns=a_product(story.random), name=name,
    )  # fmt: skip
    before, after = answer.value
    same(story, after, before, "A change to the dict that `create` was given got into the repository.")


@in_memory.scenario("an id is never given a second time")
async def ids_are_not_reused(story: Story) -> None:
    creations = [["create", a_product(story.random)] for _ in range(5)]
    answers = await use(
        story, use_repository,
        *creations[:3], ["delete", "@2"], creations[3], ["delete", "@0"], creations[4],
        ["get_by_id", "@1"], ["get_all"],
    )  # fmt: skip
    ids = [answers[step]["id"] for step in (0, 1, 2, 4, 6)]
    again = [number for place, number in enumerate(ids) if number in ids[:place]]
    story.saw(ids_given_again=again)
    story.expect(
        not again, "A new product got an id that another one has or had.",
        expected="five different ids", observed=ids,
    )  # fmt: skip
    same(story, answers[7], answers[1], "Another product took the place of one that was never deleted.")
    story.equal(len(answers[8]), 3, "After five creations and two deletions there are not three products.")
