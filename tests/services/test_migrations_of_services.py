"""Each service's revisions make the tables of its entities, and take over what `lab serve` has made."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine, create_tables
from lab_support.services import create_app, running_app
from lab_support.services.customers.entities import CustomersBase
from lab_support.services.gateway.entities import GatewayBase
from lab_support.services.inventory.entities import InventoryBase
from lab_support.services.migrating import MIGRATED, MigrationError, migrate
from lab_support.services.orders.entities import OrdersBase
from lab_support.services.orders.seed import PRICES
from lab_support.services.payments.entities import PaymentsBase
from lab_support.services.relational import StartError
from lab_support.services.revisions import (
    adopt,
    current_revision,
    downgrade,
    head_of,
    revisions_of,
    stamp,
    upgrade,
)
from lab_support.settings import Settings
from tests.services.test_store_migrations import shape

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    "orders": OrdersBase.metadata,
    "customers": CustomersBase.metadata,
    "payments": PaymentsBase.metadata,
    "inventory": InventoryBase.metadata,
    "gateway": GatewayBase.metadata,
}
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
service_of_each = pytest.mark.parametrize("service", sorted(TABLES))


async def ask(engine: AsyncEngine, question: Callable[[Connection], Any]) -> Any:
    async with engine.begin() as connection:
        return await connection.run_sync(question)


async def tell(engine: AsyncEngine, *statements: str) -> list[list[tuple[Any, ...]]]:
    async with engine.begin() as connection:
        found = [await connection.execute(text(one)) for one in statements]
        return [[tuple(row) for row in one.all()] for one in found if one.returns_rows]


def differences(tables: MetaData) -> Callable[[Connection], list[Any]]:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": False})
        found: list[Any] = compare_metadata(context, tables)
        return found

    return compare


@service_of_each
async def test_revisions_make_the_tables_of_the_entities(
    database_url: str, engine: AsyncEngine, service: str
) -> None:
    """Up to the newest, all the way down, and made at once: the same tables, down to names of constraints."""
    await upgrade(service, database_url)
    by_revisions = await shape(engine)
    differs = await ask(engine, differences(TABLES[service]))
    await downgrade(service, database_url, "base")
    assert await shape(engine) == {}
    await create_tables(engine, TABLES[service])

    assert differs == []
    assert by_revisions == await shape(engine)


async def test_prices_keep_their_rows_when_their_key_changes(database_url: str, engine: AsyncEngine) -> None:
    """Each sku becomes a product: the catalogue's where it is known, else one made from the sku; and back again."""
    await upgrade("orders", database_url, "orders_0001")
    before = await shape(engine)
    await tell(
        engine, "INSERT INTO prices VALUES ('LAMP-7', 'Desk lamp', 24.90), ('كرسي', 'it''s 100%: _', 0.05)"
    )
    all_of_them = "SELECT sku, name, unit_price FROM prices ORDER BY sku"
    old = await tell(engine, all_of_them)

    await upgrade("orders", database_url)

    products = dict((await tell(engine, "SELECT sku, product_id FROM prices"))[0])
    assert await tell(engine, all_of_them) == old
    assert products["LAMP-7"] == PRICES["LAMP-7"][0]
    assert len(products["كرسي"]) == 24
    await tell(
        engine,
        "INSERT INTO prices (product_id, sku, name, unit_price, version) VALUES ('p', 'LAMP-7', 'New', 1, 2)",
    )
    await downgrade("orders", database_url, "orders_0001")
    assert (await tell(engine, "SELECT name FROM prices WHERE sku = 'LAMP-7'"))[0] == [("New",)]
    assert await shape(engine) == before


async def test_customers_keep_their_rows(database_url: str, engine: AsyncEngine) -> None:
    """A customer of 13.8 gets two empty columns; code that does not know them writes on."""
    await upgrade("customers", database_url, "customers_0001")
    new = "INSERT INTO customers (id, name, email, credit) VALUES ('{0}', '{0}', '{0}@x.y', 5)"
    await tell(engine, new.format("ada"))

    await upgrade("customers", database_url)

    await tell(engine, new.format("bob"))
    assert await tell(engine, "SELECT id, last_order_id FROM customers ORDER BY id") == [
        [("ada", None), ("bob", None)]
    ]


@on_sqlite
@service_of_each
@pytest.mark.parametrize("which", ["oldest", "newest"])
async def test_tables_made_by_serve_are_recognised(
    database_url: str, engine: AsyncEngine, service: str, which: str
) -> None:
    """Tables without a revision are taken for the newest that has made all of them."""
    known = revisions_of(service)
    if which == "newest":
        await create_tables(engine, TABLES[service])
    else:
        await upgrade(service, database_url, known[0])
        await tell(engine, "DROP TABLE alembic_version")

    adopted = await adopt(service, database_url)

    assert adopted == (known[-1] if which == "newest" else known[0])
    assert await adopt(service, database_url) is None
    assert await current_revision(database_url) == adopted


def placed(tmp_path: Path, **urls: str) -> Settings:
    return Settings(data=tmp_path, **{name: SecretStr(url) for name, url in urls.items()})  # type: ignore[arg-type]


async def test_every_database_is_migrated_and_only_once(tmp_path: Path) -> None:
    """An empty folder gets every service's tables; again, nothing is left to do."""
    heard: list[tuple[int, int | None]] = []

    first = await migrate(placed(tmp_path), tell=lambda done, of: heard.append((done, of)))
    again = await migrate(placed(tmp_path))

    assert [one.service for one in first] == list(MIGRATED)
    assert [list(one.ran) for one in first] == [revisions_of(name) for name in MIGRATED]
    assert {one.before for one in first} == {None}
    assert [(one.before, one.after, list(one.ran)) for one in again] == [
        (head_of(name), head_of(name), []) for name in MIGRATED
    ]
    assert heard[-1] == (len(MIGRATED), len(MIGRATED))


async def test_shop_runs_on_migrated_databases_and_on_its_own(tmp_path: Path) -> None:
    """Migrated or made at the start: both take orders, and both are then at the newest revision."""
    order = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "LAMP-7", "quantity": 1}]}
    for name in ("migrated", "empty"):
        settings = placed(tmp_path / name)
        if name == "migrated":
            await migrate(settings)
        async with running_app(app=create_app(settings, only=("orders", "customers"))) as client:
            assert (await client.post("/orders", json=order)).status_code == 202, name
            assert (await client.get("/customers/ada")).status_code == 200
        done = await migrate(settings, ["orders", "customers"])
        assert [one.adopted for one in done] == [name == "empty"] * 2
        assert [one.after for one in done] == [head_of("orders"), head_of("customers")]


async def test_data_of_an_earlier_section_is_brought_up(tmp_path: Path) -> None:
    """A file that `lab serve` made in 13.8 is refused with the command that mends it, which keeps every price."""
    settings = placed(tmp_path)
    url = f"sqlite+aiosqlite:///{tmp_path / 'orders.db'}"
    await upgrade("orders", url, "orders_0001")
    engine = build_engine(url)
    await tell(engine, "DROP TABLE alembic_version", "INSERT INTO prices VALUES ('MINE', 'Mine', 3.00)")
    await engine.dispose()

    with pytest.raises(StartError, match="lab migrate orders") as refused:
        async with running_app(app=create_app(settings, only=("orders",))):
            pass
    (done,) = await migrate(settings, ["orders"])
    async with running_app(app=create_app(settings, only=("orders",))) as client:
        prices = (await client.get("/prices")).json()

    assert len(str(refused.value).splitlines()) == 1
    assert (done.before, done.adopted, list(done.ran)) == ("orders_0001", True, ["orders_0002"])
    assert "Mine" in str(prices)


async def test_database_that_is_behind_is_refused(tmp_path: Path) -> None:
    """A migrated database at an older revision is told apart from an empty one, and nothing is made in it."""
    await upgrade("customers", f"sqlite+aiosqlite:///{tmp_path / 'customers.db'}", "customers_0001")

    with pytest.raises(StartError, match=r"at revision customers_0001.*lab migrate customers"):
        async with running_app(app=create_app(placed(tmp_path), only=("customers",))):
            pass


async def test_database_that_is_ahead_is_taken_if_it_has_everything(tmp_path: Path) -> None:
    """Old code starts on a table that newer code has widened; that is what expand and contract need."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'customers.db'}"
    await upgrade("customers", url)
    engine = build_engine(url)
    ahead = "UPDATE alembic_version SET version_num = 'customers_0099'"
    await tell(engine, "ALTER TABLE customers ADD COLUMN full_name VARCHAR(100)", ahead)

    async with running_app(app=create_app(placed(tmp_path), only=("customers",))) as client:
        assert (await client.get("/customers/ada")).status_code == 200
    await tell(engine, "ALTER TABLE customers DROP COLUMN last_order_at")
    await engine.dispose()

    with pytest.raises(StartError, match="customers_0099, which the code of 'customers' does not know"):
        async with running_app(app=create_app(placed(tmp_path), only=("customers",))):
            pass


async def test_database_of_another_service_is_refused(tmp_path: Path) -> None:
    """By its revision where it has one, else by its tables; and nothing is made in it."""
    await migrate(placed(tmp_path), ["inventory"])
    theirs = f"sqlite+aiosqlite:///{tmp_path / 'inventory.db'}"

    with pytest.raises(MigrationError, match="inventory_0001, which the code of 'payments'"):
        await migrate(placed(tmp_path, payments_url=theirs), ["payments"])
    engine = build_engine(theirs)
    await tell(engine, "DROP TABLE alembic_version")
    before = await shape(engine)
    with pytest.raises(MigrationError, match="is not the database of the service 'payments'"):
        await migrate(placed(tmp_path, payments_url=theirs), ["payments"])
    assert await shape(engine) == before
    await engine.dispose()


@pytest.mark.parametrize(
    ("services", "words"),
    [
        (["nothing"], "There is no service 'nothing' with revisions. Use one of: store, orders"),
        (["catalog"], "lab backfill catalog"),
        (["orders"], "nobody said where the data of 'orders' is.*LAB_ORDERS_URL"),
        ([], "nobody said where the data of 'store' is.*LAB_DATABASE_URL"),
        (["x" * 5000], "There is no service 'x{80}' with"),
    ],
)
async def test_what_cannot_be_migrated_is_said(
    services: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown names, documents, and data that nobody placed."""
    monkeypatch.delenv("LAB_DATA", raising=False)

    with pytest.raises(MigrationError, match=words):
        await migrate(Settings(), services)


async def test_broken_file_is_one_line(tmp_path: Path) -> None:
    """A file that is no database comes out as an error for the user."""
    (tmp_path / "orders.db").write_text("this is no database, but quite long enough to look like a file" * 20)

    with pytest.raises(Exception, match="not a database") as refused:
        await migrate(placed(tmp_path), ["orders"])

    assert len(str(refused.value).splitlines()) == 1


async def test_of_two_at_once_one_works_and_the_other_waits(database_url: str) -> None:
    """Both end well, and each revision was run once."""
    settings = Settings(orders_url=SecretStr(database_url))

    done = await asyncio.gather(*(migrate(settings, ["orders"]) for _ in range(3)))

    ran = [revision for (one,) in done for revision in one.ran]
    assert sorted(ran) == revisions_of("orders")
    assert {one.after for (one,) in done} == {head_of("orders")}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_failed_revision_leaves_nothing_behind(database_url: str, engine: AsyncEngine) -> None:
    """Where DDL is transactional, an error in the second revision undoes what it did, and is one line."""
    await upgrade("orders", database_url, "orders_0001")
    await tell(engine, "CREATE TABLE prices_by_sku (n INTEGER)")
    before = await shape(engine)

    with pytest.raises(MigrationError, match="prices_by_sku") as failed:
        await migrate(Settings(orders_url=SecretStr(database_url)), ["orders"])

    assert len(str(failed.value).splitlines()) == 1
    assert await shape(engine) == before
    assert await current_revision(database_url) == "orders_0001"


@on_sqlite
async def test_revisions_have_names_of_their_own(database_url: str) -> None:
    """No revision's name is used by two services, and every one says what marks it."""
    names = [revision for service in MIGRATED for revision in revisions_of(service)]

    assert len(set(names)) == len(names)
    await stamp("inventory", database_url, "head")
    assert await current_revision(database_url) == head_of("inventory")


@pytest.fixture(autouse=True)
async def never_hangs() -> AsyncIterator[None]:
    async with asyncio.timeout(100):
        yield


async def test_alembic_command_finds_nothing_to_add(tmp_path: Path) -> None:
    """`alembic` itself works from the workbook's folder on the database of LAB_DATA, and says what it lacks."""
    alembic = [sys.executable, "-m", "alembic", "-c", "lab_support/services/orders/alembic.ini"]

    def told(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "", **env}
        return subprocess.run(
            [*alembic, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )

    done = await asyncio.to_thread(told, "upgrade", "head", LAB_DATA=str(tmp_path))
    checked = await asyncio.to_thread(told, "check", LAB_DATA=str(tmp_path))
    lost = await asyncio.to_thread(told, "current")

    assert done.returncode == 0, done.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert lost.returncode != 0
    assert "LAB_ORDERS_URL" in lost.stdout + lost.stderr
