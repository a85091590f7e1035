"""13.9.1: cut the shared table, judged by who opens which database and by the rows in both."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, literal_column, select, table

from lab_support.database import build_engine
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_09.ownership import Ownership
from lab_support.exercises.s13_09.shared_shop import Databases
from lab_support.exercises.story import Story

SERVICES = ("catalogue", "inventory")

cut_the_table = Exercise(
    id="13.9.1",
    title="Cut the shared table",
    task="Give each of two services its own database, its own table and its own class.",
    student_writes=("Catalogue", "Inventory"),
    witness="measured",
    limit_s=20.0,
    hints=(
        "Go through the four columns. Who changes each of them? Which one is needed by both services? And when the "
        "page shows a number that the other service owns: whom can you ask, if not the table?",
        "Two declarative bases, a class on each: Catalogue keeps sku, name and price, Inventory keeps sku and free. "
        "Each builds one engine, from its own URL. `page` gets the number by `await self._stock.free(sku)`.",
        "class CatalogueBase(DeclarativeBase): ...\nclass InventoryBase(DeclarativeBase): ...\n"
        "class Catalogue:\n    def __init__(self, databases, stock):\n"
        "        self._engine = build_engine(databases.catalogue)\n        self._stock = stock",
    ),
    misconceptions=(
        Misconception(
            "reads-the-other-database",
            "You believe that reading is harmless. Who opens another service's database depends on its tables, its "
            "server and its locks, and breaks with its next migration: ask the service.",
            lambda seen: seen.opened_another,
        ),
        Misconception(
            "shares-the-entity-class",
            "You believe that two databases are enough. With one class for both, a column that one service changes "
            "changes in the other's database too: let each have a base and a class with the columns it owns.",
            lambda seen: seen.shared_tables,
        ),
    ),
)


class _Asked:
    """Inventory as Catalogue sees it: the numbers it was told, or the student's own service."""

    def __init__(self, ownership: Ownership, told: dict[str, int], service: Any) -> None:
        self._ownership, self._told, self._service = ownership, told, service

    async def free(self, sku: str) -> int:
        """Return the free units."""
        if sku in self._told:
            return self._told[sku]
        with self._ownership.by("inventory"):
            units: int = await self._service.free(sku)
        return units


@cut_the_table.act
async def trade(
    attempt: Attempt, folder: str, files: dict[str, str], does: list[list[Any]], told: dict[str, int]
) -> dict[str, Any]:
    """Start both services, have them do their work, and return what they answered and what they touched."""
    databases = Databases(**{name: _url(folder, file) for name, file in files.items()})
    with Ownership(files) as ownership:
        with ownership.by("inventory"):
            inventory = attempt.the("Inventory")(databases)
        with ownership.by("catalogue"):
            catalogue = attempt.the("Catalogue")(databases, _Asked(ownership, told, inventory))
        services = {"catalogue": catalogue, "inventory": inventory}
        steps = [[name, "start", {}] for name in SERVICES] + does + [[name, "close", {}] for name in SERVICES]
        answers = []
        for service, method, arguments in steps:
            with ownership.by(service):
                answers.append(_plain(await getattr(services[service], method)(**_given(arguments))))
    opened = {service: sorted(names) for service, names in ownership.opened.items()}
    return {"answers": answers[2:-2], "opened": opened, "shared_tables": ownership.shared_tables}


def _url(folder: str, file: str) -> str:
    return f"sqlite+aiosqlite:///{Path(folder, file).as_posix()}"


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: Decimal(value) if name == "price" else value for name, value in arguments.items()}


def _plain(answer: Any) -> Any:
    """Make JSON of an answer; money becomes text of its own kind, so that a float is not taken for it."""
    if isinstance(answer, dict):
        return {
            name: f"Decimal {value}" if isinstance(value, Decimal) else value
            for name, value in answer.items()
        }
    return answer


class _Shop:
    """Two empty databases, and one product with numbers that nobody can foresee."""

    def __init__(self, story: Story) -> None:
        draw, self.story = story.random, story
        self.folder = str(Path(str(story.engine.url.database)).parent)
        self.files = {name: f"{name}_{draw.getrandbits(48):x}.db" for name in SERVICES}
        self.sku, self.name = f"SKU-{draw.randint(10_000, 99_999)}", f"Lamp {draw.randint(10_000, 99_999)}"
        self.price = f"{draw.randint(5, 900)}.{draw.randint(10, 99)}"
        self.units, self.sold = draw.randint(2_000, 8_000), draw.randint(3, 900)
        self.goods = [
            ["catalogue", "add", {"sku": self.sku, "name": self.name, "price": self.price}],
            ["inventory", "receive", {"sku": self.sku, "units": self.units}],
        ]

    def page(self, free: int) -> dict[str, Any]:
        return {"sku": self.sku, "name": self.name, "price": f"Decimal {self.price}", "free": free}

    async def trade(self, call: str, does: list[list[Any]], told: dict[str, int] | None = None) -> list[Any]:
        """Have work done; note who opened what, and which tables both used."""
        answer = await self.story.ask(
            trade, call=call, folder=self.folder, files=self.files, does=does, told=told or {}
        )
        foreign = [name for name in SERVICES if {*answer["opened"].get(name, ())} - {name}]
        self.story.saw(
            opened_another=self.story.seen.opened_another or foreign,
            shared_tables=self.story.seen.shared_tables or answer["shared_tables"],
        )
        self.opened, self.shared_tables = answer["opened"], answer["shared_tables"]
        answers: list[Any] = answer["answers"]
        return answers

    async def contents(self, database: str) -> tuple[set[str], set[Any]]:
        """Read one database whole, by a connection of our own: the names of its columns, and its values."""
        engine = build_engine(_url(self.folder, self.files[database]))
        columns: set[str] = set()
        values: set[Any] = set()
        try:
            async with engine.connect() as connection:
                for name in await connection.run_sync(lambda one: inspect(one).get_table_names()):
                    rows: Any = await connection.execute(select(literal_column("*")).select_from(table(name)))
                    columns |= {*rows.keys()}
                    values |= {value for row in rows for value in row}
        finally:
            await engine.dispose()
        return columns, values

    def delete(self) -> None:
        for file in self.files.values():
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    Path(self.folder, file + suffix).unlink(missing_ok=True)


@cut_the_table.scenario("each service does its work, on rows of its own", points=3)
async def rows(story: Story) -> None:
    shop = _Shop(story)
    left = shop.units - shop.sold
    does = [
        *shop.goods,
        ["inventory", "reserve", {"sku": shop.sku, "units": shop.sold}],
        ["inventory", "reserve", {"sku": shop.sku, "units": left + 1}],
        ["catalogue", "page", {"sku": shop.sku}],
        ["catalogue", "page", {"sku": f"{shop.sku}-none"}],
        ["inventory", "free", {"sku": f"{shop.sku}-none"}],
    ]
    answers = await shop.trade("add, receive, reserve twice, page, and ask for what is not there", does)
    story.equal(answers[2:4], [True, False], "`reserve` does not answer whether it took the units.")
    story.equal(answers[4], shop.page(left), "`page` shows something else.")
    story.equal(answers[5:], [None, 0], "A product that is not there is there.")
    for database, own, foreign in (
        ("catalogue", {shop.sku, shop.name}, {left, shop.units}),
        ("inventory", {shop.sku, left}, {shop.name}),
    ):
        columns, values = await shop.contents(database)
        story.expect(
            own <= values, f"What {database} owns is not in its database.", expected=own, observed=values
        )
        story.expect(not foreign & values, f"In {database}'s database stands what another service owns.",
                     observed=foreign & values)  # fmt: skip
        unowned = columns & ({"free"} if database == "catalogue" else {"name", "price"})
        story.expect(not unowned, f"{database}'s table has columns of another service.", observed=unowned)
    shop.delete()


@cut_the_table.scenario("each service opens its own database, and no other", points=2)
async def ownership(story: Story) -> None:
    shop, told = _Shop(story), story.random.randint(10_000, 90_000)
    does = [*shop.goods, ["catalogue", "page", {"sku": shop.sku}], ["inventory", "free", {"sku": shop.sku}]]
    answers = await shop.trade("a page, while Inventory answers a number of ours", does, {shop.sku: told})
    for name in SERVICES:
        story.equal(
            shop.opened.get(name, []), [name], f"The service {name} opened other databases than its own."
        )
    story.equal(answers[2], shop.page(told), "`page` shows another number than Inventory answered.")
    story.equal(answers[3], shop.units, "`free` is not the number of units that were received.")
    shop.delete()


@cut_the_table.scenario("no class is mapped for both services", points=2)
async def classes(story: Story) -> None:
    shop = _Shop(story)
    await shop.trade("both services start, and work", [*shop.goods, ["catalogue", "page", {"sku": shop.sku}]])
    story.expect(not shop.shared_tables, "Both services use one and the same mapped table.",
                 expected="a base and a class for each service", observed=", ".join(shop.shared_tables))  # fmt: skip
    shop.delete()
