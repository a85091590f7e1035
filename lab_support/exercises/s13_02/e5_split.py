"""13.2.5: one column becomes two and no caller notices, judged by comparing bytes before and after."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import column, insert, inspect, select
from sqlalchemy import table as table_called

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import app_of, in_words, send
from lab_support.exercises.s13_02.before_split import NamedProduct, VersionOne, version_one
from lab_support.exercises.story import Answer, Story, StudentCodeRaised

split = Exercise(
    id="13.2.5",
    title="Split a column, keep the contract",
    task="Split the column name into brand and model, old rows included, so that no caller of the API notices.",
    student_writes=("upgrade", "products"),
    witness="answers",
    hints=(
        "What does a caller see of the table? And what will stand in the new columns of a row that is there already?",
        "`op.add_column`, then fill the new columns from `name` by `op.get_bind()`, then `op.drop_column`. "
        '`name.partition(" ")` splits at the first space and works where there is none.',
        'brand, space, model = row.name.partition(" ")\n'
        "connection.execute(update(table).where(table.c.id == row.id)"
        ".values(brand=brand, model=model if space else None))",
    ),
    misconceptions=(
        Misconception(
            "contract-changed",
            "You believe that the API follows the table. Its callers know `product_name` and nothing of your columns: "
            "leave the DTOs as they are, and join brand and model in the mapping.",
            lambda seen: seen.fields_changed is True,
        ),
        Misconception(
            "old-rows-broken",
            "You believe that a migration is about columns. It is about rows that exist: some names have no space and "
            "some have several, and every old row must say afterwards what it said before.",
            lambda seen: seen.new_rows_right and seen.old_rows_broken and not seen.fields_changed,
        ),
    ),
)


@split.act
async def migrate(attempt: Attempt) -> None:
    """Run the student's migration as Alembic would: in one transaction, on the database as it is."""
    from alembic.migration import MigrationContext  # here, for no other exercise needs Alembic
    from alembic.operations import Operations

    async with attempt.engine.begin() as connection:
        await connection.run_sync(
            lambda plain: attempt.the("upgrade")(Operations(MigrationContext.configure(plain)))
        )


@split.act
async def request(attempt: Attempt, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one request to an application that serves the student's router."""
    return await send(attempt, app_of(attempt, attempt.the("products")), method, path, body)


async def before(story: Story, path: str) -> str:
    """Ask version 1, which is the judge's own, and return status and body in one text."""
    import httpx

    transport = httpx.ASGITransport(app=version_one(story.engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get(path)
    return f"{answer.status_code} {answer.text}"


async def after(story: Story, method: str, path: str, body: Any = None) -> Answer:
    """Ask the student's version."""
    return await story.ask(request, call=in_words(method, path, body), method=method, path=path, body=body)


def names(story: Story) -> list[str]:
    """Draw names of every shape: without a space, with several, doubled, not broken, and in other scripts."""
    number = story.random.randint(100, 999)
    shapes = ("Anglepoise{}", "Brass lamp{}", "Old brass desk lamp {}", "Two  spaces  {}", "Лампа стола {}",
              "灯{}", "No\u00a0break lamp{}", "Cafe\u0301 noir {}", "Idea 💡 {} a", "O'Brien's {}%")  # fmt: skip
    drawn = [shape.format(number + place) for place, shape in enumerate(shapes)]
    story.random.shuffle(drawn)
    return drawn


def in_two(name: str) -> tuple[str, str | None]:
    """Split a name as the task says."""
    brand, space, model = name.partition(" ")
    return brand, model if space else None


async def columns_are_split(story: Story) -> None:
    """Expect brand and model in the table, and no name."""
    found = await story.look(lambda plain: inspect(plain).get_columns("products"))
    there = sorted(one["name"] for one in found)
    story.equal(there, ["brand", "id", "model", "price"], "The table has other columns than the task says.")


async def rows_that_differ(story: Story, named: dict[int, str]) -> list[Any]:
    """Return what stands in brand and model where it is not what the name says."""
    table = table_called("products", *(column(one) for one in ("id", "brand", "model")))
    rows = await story.rows(select(table).order_by(table.c.id))
    found = {row["id"]: (row["brand"], row["model"] or None) for row in rows}
    return [(name, found.get(one)) for one, name in named.items() if found.get(one) != in_two(name)]


def fields_of(contract: str) -> list[list[str]]:
    """Return the field names of every schema in an OpenAPI document."""
    schemas = json.loads(contract).get("components", {}).get("schemas", {})
    return sorted(sorted(schema.get("properties", {})) for schema in schemas.values())


@split.scenario("the contract is what it was", points=2)
async def contract_stays(story: Story) -> None:
    contract = (await before(story, "/openapi.json")).removeprefix("200 ")
    answer = await after(story, "GET", "/openapi.json")
    story.saw(fields_changed=fields_of(answer["text"]) != fields_of(contract))
    story.expect(answer["text"] == contract, "The OpenAPI document is not what it was.",
                 expected=first_difference(contract, answer["text"]),
                 observed=first_difference(answer["text"], contract))  # fmt: skip


def first_difference(one: str, other: str) -> str:
    """Cut out of one text the place where it begins to differ from the other."""
    pairs = zip(one, other, strict=False)
    place = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    return f"…{one[max(place - 60, 0) : place + 60]}…"


@split.scenario("a new product is kept in two columns and shown under one name")
async def new_rows_are_split(story: Story) -> None:
    await story.create(VersionOne.metadata)
    await story.write(insert(NamedProduct), [{"name": "Brass lamp", "price": 3}])
    await story.ask(migrate, call="upgrade(op) on a table with one product, 'Brass lamp'")
    await columns_are_split(story)
    named: dict[int, str] = {}
    for name in names(story):
        answer = await after(story, "POST", "/products", {"product_name": name, "price": "1.50"})
        story.equal(answer["status"], 201, "A product that version 1 would take is refused.")
        named[answer["json"]["product_id"]] = name
        wanted = {"product_id": answer["json"]["product_id"], "product_name": name, "price": "1.50"}
        story.equal(answer["json"], wanted, "The new product is not shown as version 1 would show it.")
    differ = await rows_that_differ(story, named)
    story.expect(not differ, "A new name is not split at its first space.", observed=differ[:1])
    story.saw(new_rows_right=True)


@split.scenario("every answer about an old product is the same, byte by byte", points=2)
async def old_rows_stay(story: Story) -> None:
    await story.create(VersionOne.metadata)
    draw = story.random
    named = dict(zip(sorted(draw.sample(range(1, 10**6), 10)), names(story), strict=True))
    rows = [{"id": one, "name": name, "price": draw.randint(1, 9_999)} for one, name in named.items()]
    await story.write(insert(NamedProduct), rows)
    paths = [*(f"/products/{one}" for one in named), "/products", "/products?limit=3", "/products/0"]
    told = {path: await before(story, path) for path in paths}
    migrated = await story.ask(migrate, call="upgrade(op) on a table with old rows", may_fail=True)
    if migrated.error is not None:
        story.saw(old_rows_broken=True)
        raise StudentCodeRaised(migrated.error)
    await columns_are_split(story)
    for path in paths:
        answer = await after(story, "GET", path)
        now = f"{answer['status']} {answer['text']}"
        story.saw(old_rows_broken=now != told[path] or story.seen.old_rows_broken is True)
        story.expect(now == told[path], "The answer is not the one that version 1 gave.",
                     expected=first_difference(told[path], now),
                     observed=first_difference(now, told[path]))  # fmt: skip
    differ = await rows_that_differ(story, named)
    story.saw(old_rows_broken=bool(differ))
    story.expect(not differ, "An old name is not split at its first space.", observed=differ[:1])
