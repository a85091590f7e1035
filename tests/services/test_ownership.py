"""Who opened which database: on the whole shop, and on services that open what is not theirs."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import aiosqlite
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from lab_support.database import build_engine, check_connection
from lab_support.services import create_app, running_app
from lab_support.services.acting import ActsAs, acting_as, acting_service, as_service
from lab_support.services.opened import (
    EVERYBODY,
    SharedDatabaseError,
    database_of,
    owned_databases,
)
from lab_support.services.ownership import NOBODY, Opening, Ownership, watch_ownership
from lab_support.settings import Settings
from tests.services.split_processes import until

ORDER = {"customer_id": "ada", "pay_by": "card", "items": [{"sku": "LAMP-7", "quantity": 1}]}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Give two services a file each."""
    found = {name: tmp_path / f"{name}.db" for name in ("orders", "customers")}
    for path in found.values():
        with closing(sqlite3.connect(path)) as file:
            file.execute("CREATE TABLE t (n)")
    return found


@pytest.fixture
def owners(files: dict[str, Path]) -> Iterator[Ownership]:
    with watch_ownership({str(path): name for name, path in files.items()}) as seen:
        yield seen


def trespass(path: Path, way: str) -> Opening:
    return Opening("orders", str(path.resolve()), way)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def watched_shop(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient, Ownership]]:
    """Run the whole shop and bring one order to its end, under watch from before its start."""
    folder = tmp_path_factory.mktemp("watched")
    settings = Settings(data=folder)
    app = create_app(settings)
    with watch_ownership(owned_databases(settings, folder)) as owners:
        async with running_app(app=app) as client:
            answer = await client.post("/orders", json=ORDER, headers={"Idempotency-Key": "watched"})
            assert answer.status_code == 202, answer.text

            async def at_its_end() -> bool:
                order = (await client.get(answer.headers["Location"])).json()
                return not order["status"].startswith("PENDING")

            await until(at_its_end)
            await client.get("/catalog/products")
            await client.get("/store/products")
            await client.get(f"/shop{answer.headers['Location']}")
            yield app, client, owners


async def test_each_service_opens_its_own_database_and_no_other(
    watched_shop: tuple[FastAPI, httpx.AsyncClient, Ownership],
) -> None:
    """The whole shop in one process: every service has opened exactly what it owns, and the bus that all share."""
    app, _, owners = watched_shop
    every = owners.opened
    shared = {database for database, owner in owners.owned.items() if owner == EVERYBODY}

    assert owners.trespasses == []
    assert owners.shared == {}
    for name in app.state.services:
        own = {database for database, owner in owners.owned.items() if owner == name}
        assert own <= every[name], name
        assert every[name] - shared == own, name


async def test_nothing_is_opened_without_a_name(
    watched_shop: tuple[FastAPI, httpx.AsyncClient, Ownership],
) -> None:
    """Requests, handlers, relays, workers and chores act for a service; only the bus is opened by none."""
    _, _, owners = watched_shop

    assert {owners.owned[database] for database in owners.opened.get(NOBODY, set())} <= {EVERYBODY}


async def test_table_says_who_opened_what(
    watched_shop: tuple[FastAPI, httpx.AsyncClient, Ownership],
) -> None:
    """The rows name service, file, owner and verdict."""
    _, _, owners = watched_shop

    assert ("orders", "orders.db", "orders", "own") in owners.rows()
    assert ("payments", "provider.db", "payments", "own") in owners.rows()
    assert ("catalog", "documents", "catalog", "own") in owners.rows()
    assert {verdict for *_, verdict in owners.rows()} == {"own", "shared by all"}


async def test_query_on_another_services_database_is_found(tmp_path: Path) -> None:
    """A route of Orders that reads the customers' file is told apart from Customers, which does so by right."""
    settings = Settings(data=tmp_path, demo_data=True)
    app = create_app(settings, only=("orders", "customers"))
    orders = app.state.services["orders"]

    @orders.get("/orders/peek")
    async def peek() -> str:
        engine = build_engine(f"sqlite+aiosqlite:///{tmp_path / 'customers.db'}")
        async with engine.connect() as connection:
            name = await connection.scalar(text("SELECT name FROM customers WHERE id = 'ada'"))
        await engine.dispose()
        return str(name)

    orders.router.routes.insert(0, orders.router.routes.pop())
    with watch_ownership(owned_databases(settings, tmp_path)) as owners:
        async with running_app(app=app) as client:
            assert (await client.get("/customers/ada")).status_code == 200
            assert owners.trespasses == []
            assert (await client.get("/orders/peek")).json().startswith("Ada")

    assert owners.trespasses == [trespass(tmp_path / "customers.db", "sqlite3")]
    assert owners.shared == {str((tmp_path / "customers.db").resolve()): {"orders", "customers"}}
    assert ("orders", "customers.db", "customers", "TRESPASS") in owners.rows()


async def test_bare_drivers_are_seen(files: dict[str, Path], owners: Ownership) -> None:
    """Neither `aiosqlite`, which opens in its own thread, nor `sqlite3` in a helper thread hides the service."""
    with acting_as("orders"):
        async with aiosqlite.connect(files["orders"]):
            pass
        assert owners.trespasses == []
        async with aiosqlite.connect(files["customers"]):
            pass

    assert owners.trespasses == [trespass(files["customers"], "sqlite3")]


async def test_thread_of_a_service_works_for_it(files: dict[str, Path], owners: Ownership) -> None:
    """What a thread does is done by the service that started it, or for which a pool's thread was asked."""

    def peek() -> None:
        with closing(sqlite3.connect(files["customers"])):
            pass

    await asyncio.to_thread(int)  # the pool's thread is there, started for nobody
    with acting_as("orders"):
        await asyncio.to_thread(peek)
        assert owners.trespasses == [trespass(files["customers"], "sqlite3")]
        owners.openings.clear()
        thread = threading.Thread(target=peek)
        thread.start()
    thread.join()

    assert owners.trespasses == [trespass(files["customers"], "sqlite3")]


async def test_thread_of_a_pool_belongs_to_nobody(files: dict[str, Path], owners: Ownership) -> None:
    """A pool's thread that was started for one service works for others later."""
    with acting_as("orders"):
        await asyncio.to_thread(int)

    await asyncio.get_running_loop().run_in_executor(
        None, lambda: sqlite3.connect(files["customers"]).close()
    )

    assert owners.trespasses == []
    assert owners.opened[NOBODY] == {str(files["customers"].resolve())}


@pytest.mark.parametrize("spelling", ["{}", "file:{}?mode=ro", "file://{}"])
def test_file_has_one_name_however_it_is_spelled(
    files: dict[str, Path], owners: Ownership, spelling: str
) -> None:
    """A path, a URI and one with options are the same database."""
    with acting_as("orders"):
        uri = spelling.startswith("file:")
        sqlite3.connect(spelling.format(files["customers"]), uri=uri).close()

    assert owners.trespasses == [trespass(files["customers"], "sqlite3")]


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need rights there")
def test_symbolic_link_hides_nothing(files: dict[str, Path], owners: Ownership, tmp_path: Path) -> None:
    """The file behind a link is what was opened."""
    (tmp_path / "mine.db").symlink_to(files["customers"])

    with acting_as("orders"):
        sqlite3.connect(tmp_path / "mine.db").close()

    assert owners.trespasses == [trespass(files["customers"], "sqlite3")]


def test_reading_the_file_itself_is_seen(files: dict[str, Path], owners: Ownership) -> None:
    """A copy of the bytes needs no driver."""
    with acting_as("orders"):
        files["customers"].read_bytes()

    assert owners.trespasses == [trespass(files["customers"], "open")]


@pytest.mark.parametrize(
    ("statement", "bound"),
    [("ATTACH '{}' AS theirs", False), ("attach database :file AS theirs", True)],
)
async def test_attached_database_is_seen(
    files: dict[str, Path], owners: Ownership, statement: str, bound: bool
) -> None:
    """`ATTACH` opens a second file on the service's own connection."""
    engine = build_engine(f"sqlite+aiosqlite:///{files['orders']}")
    with acting_as("orders"):
        async with engine.connect() as connection:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            values = {"file": str(files["customers"])} if bound else {}
            await connection.execute(text(statement.format(files["customers"])), values)
    await engine.dispose()

    assert owners.trespasses == [trespass(files["customers"], "attach")]


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
async def test_database_on_a_server_is_named_by_the_engine(database_url: str) -> None:
    """A server's address is shared; the engine says which database behind it was opened."""
    with watch_ownership({database_url: "customers"}) as owners:
        engine = build_engine(database_url)
        with acting_as("orders"):
            await check_connection(engine)
        await engine.dispose()

    assert owners.trespasses == [Opening("orders", database_of(database_url), "engine")]


def test_socket_to_a_known_address_is_seen(owners: Ownership) -> None:
    """An address that is one service's is a database too, as the embedded MongoDB's."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        owners.owned[f"{host}:{port}"] = "catalog"
        with acting_as("orders"), socket.create_connection((host, port)):
            pass

    assert owners.trespasses == [Opening("orders", f"{host}:{port}", "socket")]


def test_nothing_is_left_behind_when_the_watch_ends(files: dict[str, Path]) -> None:
    """No listener, no changed thread; what is opened later is not recorded."""
    before = threading.Thread.start
    with watch_ownership() as outer:
        with watch_ownership() as inner:
            pass
        with acting_as("orders"):
            sqlite3.connect(files["orders"]).close()

    engine = create_engine(f"sqlite:///{files['customers']}")
    with acting_as("orders"), engine.connect() as connection:
        connection.exec_driver_sql(f"ATTACH '{files['customers']}' AS again")
    engine.dispose()

    assert threading.Thread.start is before
    assert inner.openings == set()
    assert outer.openings == {Opening("orders", str(files["orders"].resolve()), "sqlite3")}


def test_two_services_with_one_url_are_refused(tmp_path: Path) -> None:
    """Settings that share a database name both services, and no password."""
    url = SecretStr("postgresql://clerk:hunter2@localhost/shop")
    settings = Settings(orders_url=url, customers_url=SecretStr("postgresql+asyncpg://x@127.0.0.1:5432/shop"))

    with pytest.raises(SharedDatabaseError, match="'orders' and 'customers'") as refused:
        owned_databases(settings, tmp_path)

    assert "hunter2" not in str(refused.value)


async def test_request_acts_as_the_service_that_answers() -> None:
    """A call inside a call acts as the inner service, and as the outer one again afterwards."""
    seen: list[str | None] = []

    async def inner(*_: object) -> None:
        seen.append(acting_service())

    async def outer(*_: object) -> None:
        await ActsAs(inner, name="orders")({}, None, None)  # type: ignore[arg-type]
        seen.append(acting_service())

    await ActsAs(outer, name="gateway")({}, None, None)  # type: ignore[arg-type]

    assert seen == ["orders", "gateway"]
    assert acting_service() is None


async def test_failure_keeps_no_name() -> None:
    """After an error the name is gone."""

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await as_service("orders", fail)()

    assert acting_service() is None
