"""13.1.1: the entity, judged by the table it makes and the rows that go in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, TableClause, column, func, insert, inspect, select
from sqlalchemy import table as table_called

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story

entity = Exercise(
    id="13.1.1",
    title="The entity",
    task="Map the class Product to a table that keeps money exact and fills in its own defaults.",
    student_writes=("Product",),
    witness="rows",
    hints=(
        "Compare your table with the list in the task: type, length, may it be empty, who fills it in?",
        "`Numeric(12, 2)` keeps cents; `index=True` makes an index; a default that every client gets is a "
        "`server_default`; `Mapped[str | None]` may be empty and `Mapped[str]` may not.",
        "name: Mapped[str] = mapped_column(String(200), index=True)\n"
        "price: Mapped[Decimal] = mapped_column(Numeric(12, 2))\n"
        'stock: Mapped[int] = mapped_column(server_default=text("0"))',
    ),
    misconceptions=(
        Misconception(
            "float-price",
            "You believe that a float can hold money. It holds the nearest binary fraction, so cents drift; "
            "use Numeric(12, 2) and Decimal.",
            lambda seen: seen.columns["price"]["kind"] == "float",
        ),
        Misconception(
            "missing-index",
            "You believe that a column you search by is fast by itself. Without an index every search reads the "
            "whole table: say index=True on name.",
            lambda seen: seen.indexed is False,
        ),
        Misconception(
            "python-only-default",
            "You believe that default= fills the column for everyone. It lives in your Python process only; rows "
            "written by another program get nothing. Use server_default=.",
            lambda seen: seen.filled_by_database is False,
        ),
        Misconception(
            "nullable-name",
            "You believe that a name is always there because your code always sets it. The table accepts rows "
            "without one; `Mapped[str]` (not `str | None`) makes the column NOT NULL.",
            lambda seen: seen.columns["name"]["nullable"] is True,
        ),
    ),
)


@entity.act
async def create_table(attempt: Attempt) -> str:
    """Create the table of the student's class and return its name."""
    table = attempt.the("Product").__table__
    async with attempt.engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all, tables=[table])
    return str(table.name)


@entity.act
async def save_prices(attempt: Attempt, names: list[str], price: str) -> str:
    """Save one product per name at the same price and return the sum of the prices read back."""
    product = attempt.the("Product")
    async with attempt.sessions() as session:
        session.add_all([product(name=name, price=Decimal(price)) for name in names])
        await session.commit()
    async with attempt.sessions() as session:
        found = [await session.get(product, number) for number in range(1, len(names) + 1)]
        return str(sum(one.price for one in found if one is not None))


def _core_table(name: str) -> TableClause:
    """Name the student's table and columns without a word of the student's class."""
    return table_called(name, *(column(one) for one in ("name", "price", "stock", "is_available")))


def _describe(connection: Connection, table: str) -> dict[str, Any]:
    look = inspect(connection)
    columns = {}
    for found in look.get_columns(table):
        kind = found["type"]
        columns[found["name"]] = {
            "type": str(kind),
            "kind": kind.__visit_name__.lower().replace("double_precision", "float").replace("real", "float"),
            "length": getattr(kind, "length", None),
            "digits": [getattr(kind, "precision", None), getattr(kind, "scale", None)],
            "nullable": found["nullable"],
        }
    return {
        "columns": columns,
        "primary_key": look.get_pk_constraint(table)["constrained_columns"],
        "indexed": any(index["column_names"][:1] == ["name"] for index in look.get_indexes(table)),
    }


@entity.scenario("the table has the columns the shop needs", points=2)
async def table_has_the_columns(story: Story) -> None:
    table = (await story.ask(create_table, call="create the table of Product")).value
    story.saw(**await story.look(lambda connection: _describe(connection, table)))
    columns = story.seen.columns
    wanted = {"id", "name", "description", "price", "stock", "is_available"}
    story.expect(
        wanted <= columns.keys(), "A column is missing.", expected=sorted(wanted), observed=sorted(columns)
    )
    story.equal(story.seen.primary_key, ["id"], "The primary key is not the id.")
    price = columns["price"]
    exact = price["digits"] == [12, 2]
    story.expect(
        exact,
        "The price does not keep 12 digits with 2 decimals.",
        expected="NUMERIC(12, 2)",
        observed=price["type"],
    )
    story.equal(columns["name"]["length"], 200, "The name does not hold 200 characters.")
    story.equal(columns["description"]["length"], 500, "The description does not hold 500 characters.")
    may_be_empty = sorted(name for name in wanted if columns[name]["nullable"])
    story.equal(may_be_empty, ["description"], "Only the description may be empty (NULL).")
    story.expect(story.seen.indexed, "A search by name finds no index to use.", expected="an index on name")


@entity.scenario("a row written by another program gets the defaults")
async def another_program_writes(story: Story) -> None:
    table = (await story.ask(create_table, call="create the table of Product")).value
    name = f"lamp {story.random.randint(100, 999)}"
    defaults = await story.look(lambda connection: inspect(connection).get_columns(table))
    filled = {one["name"] for one in defaults if one["default"] is not None}
    there = {"stock", "is_available"} & {one["name"] for one in defaults}
    story.saw(filled_by_database=there <= filled if there else None)
    story.expect(
        story.seen.filled_by_database,
        "The database itself has no default for stock and is_available.",
        expected="a server default on stock and is_available",
        observed=f"server defaults on: {', '.join(sorted(filled)) or 'none'}",
    )
    products = _core_table(table)
    await story.write(insert(products).values(name=name, price=1))
    row = (await story.rows(select(products).where(products.c.name == name)))[0]
    story.equal((int(row["stock"]), bool(row["is_available"])), (0, True), "The defaults are not 0 and true.")


@entity.scenario("three rows of 0.10 sum to exactly 0.30", on="postgresql")
async def cents_stay_exact(story: Story) -> None:
    table = (await story.ask(create_table, call="create the table of Product")).value
    names = [f"bulb {number}" for number in story.random.sample(range(1000), 3)]
    read_back = await story.ask(save_prices, call="save three products at 0.10", names=names, price="0.10")
    if story.dialect == "postgresql":  # SQLite has no exact number to sum with
        total = (await story.rows(select(func.sum(_core_table(table).c.price).label("total"))))[0]["total"]
        story.equal(str(total), "0.30", "The database's own sum of three prices is off.")
    story.equal(read_back.value, "0.30", "The sum of three prices read back is off.")
