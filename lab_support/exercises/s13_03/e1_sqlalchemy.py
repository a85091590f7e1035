"""13.3.1: a repository on a session, judged by the contract and by what a rollback outside leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import event, insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_03.contract import COLUMNS, a_product, promise_all, take, use
from lab_support.exercises.story import Story
from lab_support.services.store.entities import Product, StoreBase

on_a_session = Exercise(
    id="13.3.1",
    title="A repository on a session",
    task="Put the statements about products into a class that works in its caller's transaction.",
    student_writes=("ProductRepository",),
    witness="rows",
    hints=(
        "Take each method alone: what does it return when there is nothing, and who ends the transaction?",
        "`await session.flush()` sends the change and gives the id, and ends nothing. `session.scalar(...)` and "
        "`session.scalars(...)` give entities; `session.execute(...)` gives rows.",
        "query = select(Product).where(Product.name == name).order_by(Product.id).limit(1)\n"
        "return await self._session.scalar(query)  # update: setattr each of changes.items(), then flush",
    ),
    misconceptions=(
        Misconception(
            "commits-inside",
            "You believe that a repository should make its changes safe. It does not know what else belongs to the "
            "caller's transaction: flush, and leave commit and rollback to the caller.",
            lambda seen: seen.commits_inside > 0,
        ),
        Misconception(
            "update-overwrites-unset",
            "You believe that a column missing from the changes is None. It was not mentioned, so it stays: set only "
            "the columns you were given.",
            lambda seen: seen.creates_and_finds and seen.overwrote_unset,
        ),
        Misconception(
            "get-by-name-crashes-on-two",
            "You believe that a name belongs to one product. Nothing in the table says so, and scalar_one_or_none() "
            "raises when there are two: order by id and take the first.",
            lambda seen: seen.crashed_on_two is True,
        ),
        Misconception(
            "returns-rows-not-entities",
            "You believe that execute() returns products. It returns rows, which are tuples and can't be changed and "
            "saved: use session.scalars(), or .scalars() on the result.",
            lambda seen: seen.returned_rows is True,
        ),
    ),
)


def _reverse_unordered_reads(connection: Any, _record: object) -> None:
    """Have rows without an ORDER BY come the other way round, as the engine is free to do."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA reverse_unordered_selects = ON")
    cursor.close()


@on_a_session.act
async def use_repository(attempt: Attempt, steps: list[list[Any]], end: str = "commit") -> list[Any]:
    """Take the steps on one session, then commit or roll back as its owner does."""
    if attempt.engine.dialect.name == "sqlite":
        event.listen(attempt.engine.sync_engine, "connect", _reverse_unordered_reads)
    async with attempt.sessions() as session:
        answers = await take(attempt.the("ProductRepository")(session), steps)
        await (session.commit() if end == "commit" else session.rollback())
    return answers


promise_all(on_a_session, use_repository)


async def _stored(story: Story) -> list[dict[str, Any]]:
    columns = (Product.id, *(getattr(Product, name) for name in COLUMNS))
    return await story.rows(select(*columns).order_by(Product.id))


def _as_wanted(story: Story, found: list[dict[str, Any]], wanted: list[dict[str, Any]], message: str) -> None:
    """Compare tables and, where they differ, show only in what."""
    here, there = ({row["id"]: row for row in rows} for rows in (found, wanted))
    differing = [
        number for number in sorted(here.keys() | there.keys()) if here.get(number) != there.get(number)
    ]
    expected, observed = (
        {number: _shown(rows.get(number)) for number in differing} for rows in (there, here)
    )
    story.expect(not differing, message, expected=expected, observed=observed)


def _shown(row: dict[str, Any] | None) -> str:
    return f"{row['name']} at {row['price']}, {row['stock']} pieces" if row else "no such product"


async def _two_products(story: Story) -> list[dict[str, Any]]:
    """Seed two products and return their rows."""
    await story.create(StoreBase.metadata)
    ids = sorted(story.random.sample(range(1_000, 900_000), 2))
    rows = [{"id": number, **a_product(story.random)} for number in ids]
    await story.write(insert(Product), [row | {"price": Decimal(row["price"])} for row in rows])
    return await _stored(story)


@on_a_session.scenario("a rollback outside undoes everything", points=2)
async def rollback_undoes(story: Story) -> None:
    before = await _two_products(story)
    first, second = (row["id"] for row in before)
    changes = (
        ["create", a_product(story.random)], ["update", first, {"stock": 777}], ["delete", second],
    )  # fmt: skip
    try:
        await use(story, use_repository, *changes, end="rollback")
    finally:
        commits = story.answers[-1].commits
        story.saw(commits_inside=commits)
    _as_wanted(story, await _stored(story), before, "After the caller's rollback something is left.")
    story.equal(commits, 0, "Something was committed, though the caller never did.")


@on_a_session.scenario("a commit outside keeps everything")
async def commit_keeps(story: Story) -> None:
    first, second = await _two_products(story)
    new = a_product(story.random)
    made, _, _ = await use(
        story, use_repository,
        ["create", new], ["update", first["id"], {"stock": 777}], ["delete", second["id"]],
    )  # fmt: skip
    created = {"id": made["id"], **new, "price": Decimal(new["price"])}
    wanted = sorted((first | {"stock": 777}, created), key=lambda row: row["id"])
    _as_wanted(
        story, await _stored(story), wanted, "After the caller's commit the table is not as it should be."
    )
