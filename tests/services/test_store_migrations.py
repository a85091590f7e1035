"""The store's revisions on each engine: they make the tables that the entities declare, and lose no row."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Numeric, insert, inspect, select, table, text
from sqlalchemy import column as c
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine, create_tables
from lab_support.services.store.entities import Product, StoreBase
from lab_support.services.store.migrations import current_revision, downgrade, stamp, upgrade

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "Desk lamp",
    "Stapler",
    "Ink  blue",
    " Paper",
    "Brass ",
    "Lámp",
    "كرسي مكتب",
    "e\u0301 x",
    "🪑 🪑 🪑",
]

products = table("products", c("id"), c("name"), c("price", Numeric(12, 2)), c("stock"), c("is_available"))
orders = table("orders", c("id"), c("customer_email"))
items = table(
    "order_items", c("id"), c("order_id"), c("product_id"), c("quantity"), c("unit_price", Numeric(12, 2))
)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    built = build_engine(database_url)
    yield built
    await built.dispose()


async def ask(engine: AsyncEngine, question: Callable[[Connection], Any]) -> Any:
    async with engine.begin() as connection:
        return await connection.run_sync(question)


async def shape(engine: AsyncEngine) -> dict[str, Any]:
    """Tell everything that the database itself knows about its tables, but for the order of columns."""

    def look(connection: Connection) -> dict[str, Any]:
        found = inspect(connection)
        return {
            name: {
                "columns": sorted(
                    ({**one, "type": repr(one["type"])} for one in found.get_columns(name)),
                    key=lambda one: one["name"],
                ),
                "primary key": found.get_pk_constraint(name),
                "indexes": sorted(found.get_indexes(name), key=repr),
                "unique": sorted(found.get_unique_constraints(name), key=repr),
                "checks": sorted(found.get_check_constraints(name), key=repr),
                "foreign": sorted(found.get_foreign_keys(name), key=repr),
                "sequence": "AUTOINCREMENT" in _definition(connection, name),
            }
            for name in sorted(set(found.get_table_names()) - {"alembic_version"})
        }

    shaped: dict[str, Any] = await ask(engine, look)
    return shaped


def _definition(connection: Connection, name: str) -> str:
    if connection.dialect.name != "sqlite":
        return ""
    return str(connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name}))


async def fill_as_in_13_1(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        rows = [{"id": n, "name": name, "price": Decimal(n)} for n, name in enumerate(NAMES, 1)]
        await connection.execute(insert(products), rows)
        await connection.execute(insert(orders), [{"id": 1, "customer_email": "ada@example.com"}])
        line = {"order_id": 1, "product_id": 2, "quantity": 3, "unit_price": Decimal("0.10")}
        await connection.execute(insert(items), [line])


async def rows_of(engine: AsyncEngine) -> list[list[tuple[Any, ...]]]:
    async with engine.connect() as connection:
        found = [
            (await connection.execute(select(one).order_by(one.c.id))).all()
            for one in (products, orders, items)
        ]
    return [[tuple(row) for row in rows] for rows in found]


def what_alembic_would_change(connection: Connection) -> list[Any]:
    """Compare with the entities all but server defaults: Alembic takes MariaDB's `1` for another than `true`."""
    context = MigrationContext.configure(connection, opts={"compare_server_default": False})
    found: list[Any] = compare_metadata(context, StoreBase.metadata)
    return found


async def test_revisions_make_the_tables_of_the_entities(database_url: str, engine: AsyncEngine) -> None:
    """`upgrade` and `create_tables` end in the same database, down to collations and names of constraints."""
    await upgrade(database_url)
    by_revisions = await shape(engine)
    differences = await ask(engine, what_alembic_would_change)
    await downgrade(database_url, "base")
    assert await shape(engine) == {}
    await create_tables(engine, StoreBase.metadata)

    assert differences == []
    assert by_revisions == await shape(engine)


async def test_no_row_is_lost_on_the_way_up_and_down(database_url: str, engine: AsyncEngine) -> None:
    """Products, orders and the items that refer to both keep every value, and new columns get their defaults."""
    await upgrade(database_url, "0001")
    await fill_as_in_13_1(engine)
    before, shape_before = await rows_of(engine), await shape(engine)

    await upgrade(database_url)

    assert await rows_of(engine) == before
    async with engine.connect() as connection:
        added = (await connection.execute(select(Product.category, Product.supplier_cost).distinct())).all()
        assert [tuple(row) for row in added] == [("general", None)]
    assert await current_revision(database_url) == "0003"
    await downgrade(database_url, "0001")
    assert await rows_of(engine) == before
    assert await shape(engine) == shape_before


async def test_references_still_hold_after_an_upgrade(database_url: str, engine: AsyncEngine) -> None:
    """A table that was made anew is still the one that others refer to."""
    await upgrade(database_url, "0001")
    await fill_as_in_13_1(engine)
    await upgrade(database_url)

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await ask(engine, lambda connection: connection.execute(text("DELETE FROM products WHERE id = 2")))
    await ask(engine, lambda connection: connection.execute(text("DELETE FROM orders WHERE id = 1")))

    assert (await rows_of(engine))[1:] == [[], []]


async def test_database_made_by_the_entities_is_taken_over(database_url: str, engine: AsyncEngine) -> None:
    """`stamp` writes down the revision of tables that are there; from then on `upgrade` has nothing to do."""
    await create_tables(engine, StoreBase.metadata)
    assert await current_revision(database_url) is None

    await stamp(database_url, "head")
    await upgrade(database_url)

    assert await current_revision(database_url) == "0003"


async def test_name_is_split_and_joined_without_a_loss(database_url: str, engine: AsyncEngine) -> None:
    """The rehearsed split gives every old row its brand and model, and the way back gives every name to the letter."""
    await upgrade(database_url, "0001")
    await fill_as_in_13_1(engine)
    await upgrade(database_url)
    before, shape_before = await rows_of(engine), await shape(engine)

    await upgrade(database_url, rehearsals=True)

    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT brand, model FROM products ORDER BY id"))
        assert [tuple(row) for row in found] == [
            ("Desk", "lamp"),
            ("Stapler", None),
            ("Ink", " blue"),
            ("", "Paper"),
            ("Brass", ""),
            ("Lámp", None),
            ("كرسي", "مكتب"),
            ("e\u0301", "x"),
            ("🪑", "🪑 🪑"),
        ]
    await downgrade(database_url, "0003", rehearsals=True)
    assert await rows_of(engine) == before
    assert await shape(engine) == shape_before


@pytest.mark.parametrize("backend", ["sqlite"])
async def test_rehearsal_takes_part_only_when_asked(database_url: str) -> None:
    """The newest revision of the shop is not the practised one."""
    await upgrade(database_url)
    assert await current_revision(database_url) == "0003"

    with pytest.raises(CommandError, match="0004"):
        await upgrade(database_url, "0004")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_failed_upgrade_leaves_everything_as_it_was(
    database_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where DDL is transactional, an error half-way undoes the tables that were changed before it."""
    await upgrade(database_url, "0001")
    await fill_as_in_13_1(engine)
    before = await shape(engine)
    await ask(
        engine,
        lambda connection: connection.execute(text("CREATE INDEX ix_products_category ON orders (id)")),
    )

    with pytest.raises(Exception, match="ix_products_category"):
        await upgrade(database_url)

    await ask(engine, lambda connection: connection.execute(text("DROP INDEX ix_products_category")))
    assert await shape(engine) == before
    assert await current_revision(database_url) == "0001"


def test_alembic_command_reaches_the_same_revision(tmp_path: Path) -> None:
    """`alembic upgrade head` works from the workbook's folder on the database of LAB_DATA, and says what it lacks."""
    alembic = [sys.executable, "-m", "alembic", "-c", "lab_support/services/store/alembic.ini"]
    environment = {"PATH": "", "LAB_DATA": str(tmp_path)}

    def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*alembic, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
        )

    done, told = run("upgrade", "head", **environment), run("current", **environment)
    checked, lost = run("check", **environment), run("upgrade", "head", PATH="")

    assert done.returncode == 0, done.stderr
    assert "0003 (head)" in told.stdout
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (tmp_path / "store.db").is_file()
    assert lost.returncode != 0
    assert "LAB_DATABASE_URL" in lost.stdout + lost.stderr
