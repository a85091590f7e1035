"""Roles and schemas on PostgreSQL: each service has its own, and the server refuses the rest."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import EmbeddedPostgres, build_engine, create_tables, scratch_database
from lab_support.database.roles import REFUSED, RoleError, remove_services, separate_services
from lab_support.services import create_app, running_app
from lab_support.services.customers.entities import CustomersBase
from lab_support.services.migrating import migrate
from lab_support.services.orders.entities import OrdersBase
from lab_support.services.revisions import head_of
from lab_support.settings import Settings

ORDER = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "LAMP-7", "quantity": 1}]}

pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class Separated:
    """A database that two services share, each in its schema; their engines are open."""

    url: str
    orders: str
    customers: str
    urls: dict[str, URL]
    engines: dict[str, AsyncEngine]


@pytest.fixture(scope="module", params=["the server here", "the one in the box"])
def server(request: pytest.FixtureRequest) -> Iterator[None]:
    """Choose the PostgreSQL on which scratch databases are made."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "the server here":
            patch.setenv("LAB_POSTGRES_URL", request.getfixturevalue("postgresql_database"))
        elif not EmbeddedPostgres.available():
            pytest.skip("the extra 'postgres' is not installed")
        else:
            patch.delenv("LAB_POSTGRES_URL", raising=False)
        yield


@pytest.fixture(scope="module")
async def shared(server: None) -> AsyncIterator[Separated]:
    names = [f"{name}_{secrets.token_hex(4)}" for name in ("orders", "customers")]
    async with scratch_database("postgresql", Path()) as url:
        urls = await separate_services(url, names)
        engines = {name: build_engine(one) for name, one in urls.items()}
        try:
            await create_tables(engines[names[0]], OrdersBase.metadata)
            await create_tables(engines[names[1]], CustomersBase.metadata)
            yield Separated(url, *names, urls, engines)
        finally:
            for engine in engines.values():
                await engine.dispose()
            await remove_services(url, names)


async def tell(engine: AsyncEngine, sql: str) -> object:
    async with engine.begin() as connection:
        found = await connection.execute(text(sql))
        return found.scalar() if found.returns_rows else None


async def test_each_has_tables_of_the_same_name(shared: Separated) -> None:
    """Both outboxes are in one database, found without a prefix, and not the same."""
    one = shared.engines[shared.orders], shared.engines[shared.customers]
    await tell(one[0], "CREATE TABLE probe AS SELECT 1 AS n")

    assert [await tell(engine, "SELECT current_schema()") for engine in one] == [
        shared.orders,
        shared.customers,
    ]
    assert await tell(one[0], "SELECT count(*) FROM outbox") == 0
    assert await tell(one[1], "SELECT count(*) FROM outbox") == 0
    assert await tell(one[0], f"SELECT count(*) FROM {shared.orders}.probe") == 1  # noqa: S608
    assert await tell(one[1], "SELECT to_regclass('probe')") is None


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {customers}.customers",
        "SELECT name FROM {customers}.customers FOR UPDATE",
        "INSERT INTO {customers}.customers (id, name, email, credit) VALUES ('x', 'y', 'z', 1)",
        "UPDATE {customers}.customers SET credit = 0",
        "DELETE FROM {customers}.customers",
        "TRUNCATE {customers}.outbox",
        "CREATE TABLE {customers}.mine (n int)",
        "CREATE TABLE mine (id varchar(64) REFERENCES {customers}.customers (id))",
        "CREATE VIEW mine AS SELECT * FROM {customers}.customers",
        "ALTER TABLE {customers}.customers ADD COLUMN mine int",
        "DROP TABLE {customers}.letters",
        "DROP SCHEMA {customers} CASCADE",
        "COPY {customers}.customers TO STDOUT",
        "GRANT ALL ON SCHEMA {customers} TO {orders}",
        "SET ROLE {customers}",
        "CREATE TABLE public.mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
    ],
)
async def test_server_refuses_what_is_anothers(shared: Separated, statement: str) -> None:
    """Reading, writing and changing the other's tables, or becoming the other, is refused with 42501."""
    sql = statement.format(customers=shared.customers, orders=shared.orders)

    with pytest.raises(DBAPIError) as refused:
        await tell(shared.engines[shared.orders], sql)

    assert getattr(refused.value.orig, "sqlstate", None) == REFUSED, refused.value


async def test_it_can_be_repeated(shared: Separated) -> None:
    """Again, and twice at once: nothing changes, no table is lost."""
    again = await asyncio.gather(
        *(separate_services(shared.url, [shared.orders, shared.customers]) for _ in range(2))
    )

    assert again == [shared.urls, shared.urls]
    assert await tell(shared.engines[shared.customers], "SELECT count(*) FROM customers") == 0


async def test_stranger_may_not_even_connect(shared: Separated) -> None:
    """A role of another database is not let in."""
    stranger = f"stranger_{secrets.token_hex(4)}"
    async with scratch_database("postgresql", Path()) as elsewhere:
        urls = await separate_services(elsewhere, [stranger])
        try:
            engine = build_engine(urls[stranger].set(database=make_url(shared.url).database))
            with pytest.raises(Exception, match=r"(?i)permission denied for database"):
                await tell(engine, "SELECT 1")
            await engine.dispose()
        finally:
            await remove_services(elsewhere, [stranger])


async def test_password_is_kept_as_a_verifier(shared: Separated) -> None:
    """What the server keeps proves the password and does not hold it; without a new one it stays."""
    await separate_services(shared.url, [shared.orders], passwords={shared.orders: "it's a:secret \\ %"})
    before = await kept(shared)
    await separate_services(shared.url, [shared.orders])

    assert before.startswith("SCRAM-SHA-256$4096:")
    assert "secret" not in before
    assert await kept(shared) == before


async def kept(shared: Separated) -> str:
    engine = build_engine(shared.url)
    found = await tell(engine, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{shared.orders}'")  # noqa: S608
    await engine.dispose()
    return str(found)


async def test_password_opens_the_door_where_one_is_asked_for(shared: Separated) -> None:
    """The URL that is given back holds the password, and is shown without it."""
    given = await separate_services(shared.url, [shared.orders], passwords={shared.orders: "p@ss/word"})

    assert given[shared.orders].password == "p@ss/word"
    assert "word" not in str(given[shared.orders])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Orders",
        'a"; DROP SCHEMA public; --',
        "a b",
        "1st",
        "postgres",
        "public",
        "pg_catalog",
        "x" * 64,
        "zoë",
        "a\n",
    ],
)
async def test_hostile_name_is_refused(name: str) -> None:
    """Names that need quoting, or are the server's own, never reach it."""
    with pytest.raises(RoleError, match="can't be a service's role") as refused:
        await separate_services("postgresql://127.0.0.1:1/x", [name])

    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("password", ["", "zoë", "a\nb", "\0"])
async def test_unusable_password_is_refused_and_not_shown(password: str) -> None:
    """It must survive being typed into a URL."""
    with pytest.raises(RoleError, match="printable ASCII"):
        await separate_services("postgresql://127.0.0.1:1/x", ["orders"], passwords={"orders": password})


async def test_other_databases_have_no_such_roles(tmp_path: Path) -> None:
    """SQLite has no roles; the error says so."""
    with pytest.raises(RoleError, match="no PostgreSQL"):
        await separate_services(f"sqlite:///{tmp_path / 'x.db'}", ["orders"])


async def test_role_with_powers_is_not_taken(shared: Separated) -> None:
    """An administrator's role does not become a service's."""
    boss = f"boss_{secrets.token_hex(4)}"
    engine = build_engine(shared.url)
    await tell(engine, f"CREATE ROLE {boss} SUPERUSER")
    try:
        with pytest.raises(RoleError, match="may do more than a service"):
            await separate_services(shared.url, [boss])
    finally:
        await tell(engine, f"DROP ROLE {boss}")
        await engine.dispose()


async def test_schema_of_somebody_else_is_not_taken(shared: Separated) -> None:
    """And what was begun is undone: no role stays."""
    name = f"theirs_{secrets.token_hex(4)}"
    engine = build_engine(shared.url)
    await tell(engine, f"CREATE SCHEMA {name}")

    with pytest.raises(RoleError, match="belongs to"):
        await separate_services(shared.url, [name])

    assert await tell(engine, f"SELECT count(*) FROM pg_roles WHERE rolname = '{name}'") == 0  # noqa: S608
    await engine.dispose()


async def test_service_may_not_make_roles(shared: Separated) -> None:
    """Who is not an administrator gets one line."""
    with pytest.raises(RoleError, match="permission denied") as refused:
        await separate_services(shared.urls[shared.orders], ["mine"])

    assert len(str(refused.value).splitlines()) == 1


async def test_services_migrate_and_run_within_their_schemas(server: None, tmp_path: Path) -> None:
    """Each has its own tables and its own version table in one database, and the services know no difference."""
    names = [f"{name}_{secrets.token_hex(4)}" for name in ("orders", "customers")]
    async with scratch_database("postgresql", tmp_path) as url:
        urls = await separate_services(url, names)
        orders, customers = (SecretStr(one.render_as_string(hide_password=False)) for one in urls.values())
        settings = Settings(data=tmp_path, orders_url=orders, customers_url=customers)
        try:
            done = await migrate(settings, ["orders", "customers"])
            async with running_app(app=create_app(settings, only=("orders", "customers"))) as client:
                known = await client.get("/customers/ada")
                taken = await client.post("/orders", json=ORDER)
        finally:
            await remove_services(url, names)

    assert [one.after for one in done] == [head_of("orders"), head_of("customers")]
    assert (known.status_code, taken.status_code) == (200, 202)
