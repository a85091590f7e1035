"""Engines on each database: limits that hold, a bounded pool, tables, and one clear line when something is wrong."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from database_tables import Counter, TrialBase, one_counter
from sqlalchemy import exc, inspect, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import (
    Backend,
    DatabaseUrlError,
    build_engine,
    check_connection,
    create_tables,
    masked,
    session_factory,
    writing_session,
)
from lab_support.pools import DatabaseUnreachableError, PoolSettings, Timeouts, Trouble, trouble_behind

MINUTES = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(120)",
    "mariadb": "SELECT sleep(120) FROM information_schema.columns a, information_schema.columns b",
}


@asynccontextmanager
async def engine_on(
    url: str, pool: PoolSettings | None = None, **limits: float
) -> AsyncIterator[AsyncEngine]:
    engine = build_engine(url, pool=pool, timeouts=Timeouts(**limits))
    try:
        yield engine
    finally:
        await engine.dispose()


async def test_tables_are_created_once_and_again(engine: AsyncEngine) -> None:
    """Creating what is there already changes nothing."""
    await create_tables(engine, TrialBase.metadata)
    await create_tables(engine, TrialBase.metadata)

    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert {"counters", "marks"} <= set(names)


async def test_text_of_any_script_comes_back(engine: AsyncEngine) -> None:
    """Names keep accents and emoji, on MariaDB too."""
    await one_counter(engine)
    sessions = session_factory(engine)
    async with sessions() as session:
        session.add(Counter(id=2, name="Žofie 🙂 数"))
        await session.commit()
    async with sessions() as session:
        assert (await session.get_one(Counter, 2)).name == "Žofie 🙂 数"


async def test_statement_stops_at_its_limit(backend: Backend, database_url: str) -> None:
    """The server (SQLite: its progress handler) stops the statement, and the engine goes on."""
    async with (
        engine_on(database_url, statement_s=0.3) as engine,
        engine.connect() as connection,
        asyncio.timeout(20),
    ):
        with pytest.raises(exc.DBAPIError) as caught:
            await connection.execute(text(MINUTES[backend]))
        await connection.rollback()

        assert await connection.scalar(text("SELECT 1")) == 1
        assert trouble_behind(caught.value) is Trouble.TIMED_OUT


async def test_waiting_for_a_lock_ends_at_its_limit(database_url: str) -> None:
    """The second writer of one row is refused as busy; the first is not disturbed."""
    async with engine_on(database_url, lock_s=1) as engine:
        await one_counter(engine)
        sessions = session_factory(engine)
        async with writing_session(sessions) as first, asyncio.timeout(20):
            await first.execute(update(Counter).values(value=1))
            async with writing_session(sessions) as second:
                with pytest.raises(exc.DBAPIError) as caught:
                    await second.execute(update(Counter).values(value=2))
            await first.commit()

        assert trouble_behind(caught.value) is Trouble.BUSY
        assert engine.pool.checkedout() == 0


async def test_pool_gives_no_more_than_its_limit(database_url: str) -> None:
    """Size and overflow together are the limit; who waits longer than timeout_s is refused."""
    pool = PoolSettings(size=1, max_overflow=1, timeout_s=0.1)
    async with engine_on(database_url, pool) as engine, engine.connect(), engine.connect():
        with pytest.raises(exc.TimeoutError) as caught:
            await check_connection(engine)

        assert engine.pool.checkedout() == pool.limit == 2
        assert trouble_behind(caught.value) is Trouble.NO_CONNECTION


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
async def test_connection_killed_by_the_server_is_replaced(backend: Backend, engine: AsyncEngine) -> None:
    """Pre-ping notices a connection that died in the pool."""
    mine, kill = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
        "mariadb": ("SELECT connection_id()", "KILL {}"),
    }[backend]
    async with engine.connect() as killer:
        async with engine.connect() as victim:
            number = await victim.scalar(text(mine))
        await killer.execute(text(kill.format(number)))
        async with engine.connect() as replaced:
            assert await replaced.scalar(text(mine)) != number


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgres://me@host/shop", "postgresql+asyncpg://me@host/shop"),
        ("postgresql://me@host/shop", "postgresql+asyncpg://me@host/shop"),
        ("mysql://me@host/shop", "mysql+aiomysql://me@host/shop"),
        ("mariadb://me@host/shop", "mariadb+aiomysql://me@host/shop"),
    ],
)
def test_missing_driver_name_is_added(short: str, full: str, backend: Backend) -> None:
    """Nobody has to know the names of the asynchronous drivers."""
    assert str(build_engine(short).url) == full


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is not a database URL. Write one like: sqlite"),
        ("shop.db", "is not a database URL. Write one like: sqlite"),
        (
            "postgresql://me:hush@host:port/shop",
            "'postgresql://\\*\\*\\*@host:port/shop' is not a database URL",
        ),
        ("postgresql://me:hu@s/h@host:54x/shop", "percent-encoded"),
        ("oracle://me:hush@host/shop", "No database called 'oracle' is known here"),
        ("postgresql+psycopg2://me:hush@host/shop", r"'psycopg2' in .* Write postgresql\+asyncpg://"),
    ],
)
def test_unusable_url_is_refused_in_one_line_without_its_secret(url: str, said: str) -> None:
    """The text says what is wrong and how a right one looks."""
    with pytest.raises(DatabaseUrlError, match=said) as caught:
        build_engine(url)

    message = str(caught.value)
    assert "\n" not in message
    assert "hush" not in message
    assert "s/h" not in message
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_missing_driver_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no asyncpg is told the command that brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DatabaseUrlError, match=r'pip install -c constraints\.txt -e "\.\[postgres\]"'):
        build_engine("postgresql://me@host/shop")


def test_masked_hides_every_secret() -> None:
    """The password's place shows stars, and so does a secret among the options."""
    shown = masked("postgresql://me:hush@host/shop?application_name=lab&sslpassword=psst")

    assert shown == "postgresql://me:***@host/shop?application_name=lab&sslpassword=***"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_closed_port_is_told_in_one_line(scheme: str) -> None:
    """Address, reason and advice; no password, no traceback of the driver in the text."""
    port = closed_port()
    async with engine_on(f"{scheme}://me:hush@127.0.0.1:{port}/shop", connect_s=2) as engine:
        with pytest.raises(DatabaseUnreachableError, match=r"Check that the server runs") as caught:
            await create_tables(engine, TrialBase.metadata)

    message = str(caught.value)
    assert f"me:***@127.0.0.1:{port}/shop" in message
    assert "hush" not in message
    assert "\n" not in message


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_silent_server_is_given_up_after_the_connect_timeout(scheme: str) -> None:
    """A server that accepts and says nothing costs connect_s seconds, not for ever."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with engine_on(f"{scheme}://me@127.0.0.1:{silent.getsockname()[1]}/x", connect_s=0.3) as engine:
            async with asyncio.timeout(10):
                with pytest.raises(DatabaseUnreachableError):
                    await check_connection(engine)


async def test_unknown_host_is_told_in_one_line() -> None:
    """A name that cannot be resolved is a database that cannot be reached."""
    async with engine_on("postgresql://me:hush@no-such-host.invalid/shop", connect_s=5) as engine:
        with pytest.raises(DatabaseUnreachableError, match=r"me:\*\*\*@no-such-host\.invalid"):
            await check_connection(engine)


@pytest.mark.parametrize("backend", ["mariadb"])
async def test_wrong_password_is_told_without_it(backend: Backend, database_url: str) -> None:
    """The server's refusal is passed on; the password is not."""
    wrong = database_url.replace("root@", "root:hush-hush@")
    async with engine_on(wrong) as engine:
        with pytest.raises(DatabaseUnreachableError, match="Access denied") as caught:
            await check_connection(engine)

    assert "hush-hush" not in str(caught.value)


async def test_missing_folder_of_a_file_is_told(tmp_path: Path) -> None:
    """SQLite makes files, not folders."""
    async with engine_on(f"sqlite:///{tmp_path}/missing/shop.db") as engine:
        with pytest.raises(DatabaseUnreachableError, match="its folder exists and may be written to"):
            await check_connection(engine)

    assert not (tmp_path / "missing").exists()


async def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Somebody's text file is neither used nor changed, and its connection is closed."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database" * 100)
    async with engine_on(f"sqlite:///{file}") as engine:
        for _ in range(2):
            with pytest.raises(DatabaseUnreachableError, match="file is not a database"):
                await check_connection(engine)

    assert file.read_text() == "not a database" * 100


def test_building_an_engine_connects_nowhere() -> None:
    """A server that is not there is noticed by the first query, not by the import."""
    assert build_engine(f"postgresql://me@127.0.0.1:{closed_port()}/shop").pool.checkedin() == 0


def test_url_without_slashes_keeps_its_password_to_itself() -> None:
    """What follows the colon of an unreadable URL may be a secret."""
    with pytest.raises(DatabaseUrlError) as refused:
        build_engine("postgresql:/hunter2")

    assert "hunter2" not in str(refused.value)
    assert "postgresql" in str(refused.value)


async def test_file_asked_where_nothing_can_be_awaited_is_one_error_and_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A lazy load outside of SQLAlchemy's own calls fails at once, before it holds a connection that can't be reset."""
    engine = build_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    await check_connection(engine)
    with caplog.at_level(logging.WARNING), pytest.raises(exc.MissingGreenlet), engine.sync_engine.connect():
        pytest.fail("nothing can be awaited here")

    assert [record.getMessage() for record in caplog.records] == []
    await engine.dispose()
