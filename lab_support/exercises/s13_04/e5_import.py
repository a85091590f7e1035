"""13.4.5: an import with savepoints, judged by the rows that are left and by those that are reported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_04.articles import Article, ImportBase
from lab_support.exercises.s13_04.ledger import writers
from lab_support.exercises.story import Story

BROKEN = {"PendingRollbackError", "InFailedSQLTransactionError"}

import_rows = Exercise(
    id="13.4.5",
    title="Import with savepoints",
    task="Import a list of articles in the caller's transaction: keep the good rows, skip and report the bad ones.",
    student_writes=("import_articles",),
    witness="rows",
    limit_s=20.0,
    hints=(
        "One row is refused. What becomes of the rows before it, and what may the session still do?",
        "`async with session.begin_nested():` sets a savepoint. It flushes at its end, and an error inside undoes "
        "only what came since.",
        "for number, row in enumerate(rows, start=1):\n    try:\n        async with session.begin_nested():\n"
        "            session.add(Article(**row))\n    except IntegrityError:\n        refused.append(number)",
    ),
    misconceptions=(
        Misconception(
            "rolls-back-all",
            "You believe that a rollback undoes the row that failed. It undoes the whole transaction, good rows "
            "included: set a savepoint before each row, and go back to that.",
            lambda seen: (seen.lost_before_bad or 0) > 0 and seen.lost_after_bad == 0,
        ),
        Misconception(
            "no-savepoint",
            "You believe that a refused row leaves the transaction as it was. PostgreSQL and the session refuse "
            "everything until a rollback: put each row into begin_nested().",
            lambda seen: bool(BROKEN & {*(seen.errors or ())}),
        ),
    ),
)


@import_rows.act
async def run_import(attempt: Attempt, rows: list[dict[str, Any]], keep: bool) -> dict[str, Any]:
    """Import the rows, add one of the caller's own before and after, and commit or roll back as the caller."""
    given = [row | {"price": Decimal(row["price"])} for row in rows]
    async with writers(attempt)() as session:
        session.add(Article(sku="caller-1", name="the caller's", price=Decimal(1)))
        refused = await attempt.the("import_articles")(session, given)
        session.add(Article(sku="caller-2", name="the caller's", price=Decimal(1)))
        await (session.commit() if keep else session.rollback())
    return {"refused": [int(number) for number in refused]}


def _rows(story: Story, taken: str) -> tuple[list[dict[str, Any]], list[int]]:
    """Draw rows, some bad for each reason there is, never the first or last; return them and the bad ones' numbers."""
    draw = story.random
    skus = [f"a{number}" for number in draw.sample(range(10**6), 14)]
    rows: list[dict[str, Any]] = [
        {"sku": sku, "name": f"article {sku}", "price": f"{draw.randint(1, 99)}.50"} for sku in skus
    ]
    places = draw.sample(range(2, 13), 5)
    spoils: tuple[dict[str, Any], ...] = (
        {"sku": taken}, {"sku": skus[0]}, {"price": "-1"}, {"name": None}, {"sku": skus[1], "price": "-2"},
    )  # fmt: skip
    for place, spoil in zip(places, spoils, strict=True):
        rows[place] |= spoil
    return rows, sorted(place + 1 for place in places)


async def _import(story: Story, *, bad: bool = True, keep: bool = True) -> None:
    """Have rows imported beside one that is there already, and compare the table and the report."""
    await story.create(ImportBase.metadata)
    taken = f"t{story.random.randint(1, 10**6)}"
    await story.write(insert(Article), [{"sku": taken, "name": "there already", "price": Decimal(2)}])
    rows, numbers = _rows(story, taken)
    if not bad:
        rows = [row for number, row in enumerate(rows, start=1) if number not in numbers]
        numbers = []
    end = "commits" if keep else "rolls back"
    answer = await story.ask(
        run_import,
        call=f"{len(rows)} rows, {len(numbers)} of them bad; the caller {end}",
        rows=rows,
        keep=keep,
    )
    found = {row["sku"]: row for row in await story.rows(select(Article.sku, Article.name, Article.price))}
    good = [row["sku"] for number, row in enumerate(rows, start=1) if number not in numbers]
    if not keep:
        story.equal(sorted(found), [taken], "The caller rolled back, and rows of the import are left.")
        return
    last_bad = max(numbers, default=0)
    after = {row["sku"] for row in rows[last_bad:]}
    missing = [sku for sku in (*good, "caller-1", "caller-2") if sku not in found]
    story.saw(
        lost_before_bad=len([sku for sku in missing if sku not in after]),
        lost_after_bad=len([sku for sku in missing if sku in after]),
    )
    story.expect(
        not missing,
        "Good rows are missing.",
        expected=f"{len(good) + 2} rows",
        observed=f"{len(missing)} missing",
    )
    story.equal(sorted(found), sorted({*good, taken, "caller-1", "caller-2"}), "The table holds other rows.")
    wrong = [row["sku"] for row in rows if row["sku"] in good and found[row["sku"]]["name"] != row["name"]]
    story.expect(not wrong or bad, "A row was imported with another name.", observed=wrong)
    story.equal(sorted(answer["refused"]), numbers, "The report does not name the rows that were refused.")


@import_rows.scenario("rows that are all good are imported")
async def all_good(story: Story) -> None:
    await _import(story, bad=False)


@import_rows.scenario("bad rows are skipped and reported, on PostgreSQL", on="postgresql", points=2)
async def bad_rows_on_postgresql(story: Story) -> None:
    await _import(story)


@import_rows.scenario("bad rows are skipped and reported, on SQLite")
async def bad_rows_on_sqlite(story: Story) -> None:
    await _import(story)


@import_rows.scenario("the caller's rollback undoes the whole import")
async def rolled_back(story: Story) -> None:
    await _import(story, keep=False)
