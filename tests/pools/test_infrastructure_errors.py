"""What a failing database becomes in HTTP: 503, 504, or a 500 that tells nothing."""

import asyncio
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pymysql.err
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import Backend, build_engine
from lab_support.pools import (
    DatabaseUnreachableError,
    PoolSettings,
    Timeouts,
    Trouble,
    install_infrastructure_errors,
    trouble_behind,
)

SECRET = "hush-hush"
MINUTES = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(120)",
    "mariadb": "SELECT sleep(120) FROM information_schema.columns a, information_schema.columns b",
}


@asynccontextmanager
async def client_of(
    work: Callable[[], object], *, retry_after_s: int = 1
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_infrastructure_errors(app, retry_after_s=retry_after_s)

    @app.get("/work")
    async def endpoint() -> object:
        result = work()
        return await result if asyncio.iscoroutine(result) else result

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client


async def answer_to(work: Callable[[], object]) -> httpx.Response:
    async with client_of(work) as client:
        return await client.get("/work")


def raising(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


async def test_exhausted_pool_is_503_with_retry_after(database_url: str) -> None:
    """Whoever finds no free connection in time is told when to come again."""
    engine = build_engine(database_url, pool=PoolSettings(size=1, max_overflow=0, timeout_s=0.05))

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async with engine.connect(), client_of(work, retry_after_s=3) as client:
        refused = await client.get("/work")
    async with client_of(work) as client:
        served = await client.get("/work")
    await engine.dispose()

    assert (refused.status_code, served.status_code) == (503, 200)
    assert refused.headers["retry-after"] == "3"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["title"] == "Database unavailable"


async def test_stopped_statement_is_504_and_shows_no_sql(backend: Backend, database_url: str) -> None:
    """The database was reached and was too slow: another status than 503, and nothing of the query leaks."""
    engine = build_engine(database_url, timeouts=Timeouts(statement_s=0.2))

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(text(MINUTES[backend]))

    answer = await answer_to(work)
    free_again = engine.pool.checkedout() == 0
    await engine.dispose()

    assert answer.status_code == 504
    assert "retry-after" not in answer.headers
    assert set(answer.json()) == {"type", "title", "status", "detail"}
    assert "SELECT" not in answer.text.upper()
    assert free_again


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_unreachable_server_is_503_without_its_address(scheme: str) -> None:
    """The caller learns neither host nor user."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = build_engine(f"{scheme}://me:{SECRET}@127.0.0.1:{port}/shop")

    async def work() -> None:
        async with engine.connect():
            pass

    answer = await answer_to(work)

    assert answer.status_code == 503
    assert not [leak for leak in (SECRET, "127.0.0.1", str(port), "asyncpg", "mysql") if leak in answer.text]


async def test_broken_sql_is_500_that_tells_nothing(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has everything, the caller nothing."""

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT supplier_cost FROM secret_table"))

    with caplog.at_level(logging.ERROR, "lab_support.pools.errors"):
        answer = await answer_to(work)

    assert answer.status_code == 500
    assert answer.json() == {"type": "about:blank", "title": "Internal server error", "status": 500}
    assert "secret_table" in caplog.text
    assert "GET /work failed unexpectedly" in caplog.text


async def test_programming_error_is_500_that_tells_nothing() -> None:
    """Any exception at all."""
    answer = await answer_to(raising(KeyError(SECRET)))

    assert answer.status_code == 500
    assert SECRET not in answer.text


async def test_http_errors_of_endpoints_pass_untouched() -> None:
    """404 stays FastAPI's own business."""
    assert (await answer_to(raising(HTTPException(404)))).status_code == 404


def wrapped(original: Exception) -> exc.DBAPIError:
    return exc.DBAPIError("SELECT 1", None, original)


def of_postgres(state: str) -> Exception:
    return asyncpg.PostgresError.new({"C": state, "M": "said so", "S": "ERROR"})  # type: ignore[no-any-return]


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("said so")
    error.sqlite_errorcode = code
    return error


def of_mariadb(number: int) -> Exception:
    return pymysql.err.OperationalError(number, "said so")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("original", "trouble"),
    [
        (of_postgres("57014"), Trouble.TIMED_OUT),
        (of_postgres("55P03"), Trouble.BUSY),
        (of_postgres("40P01"), Trouble.BUSY),
        (of_postgres("40001"), Trouble.BUSY),
        (of_postgres("53300"), Trouble.NO_CONNECTION),
        (of_postgres("57P01"), Trouble.NO_CONNECTION),
        (of_postgres("08006"), Trouble.NO_CONNECTION),
        (of_postgres("23505"), None),
        (of_postgres("42P01"), None),
        (of_sqlite(sqlite3.SQLITE_BUSY), Trouble.BUSY),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), Trouble.BUSY),
        (of_sqlite(sqlite3.SQLITE_INTERRUPT), Trouble.TIMED_OUT),
        (of_sqlite(sqlite3.SQLITE_CANTOPEN), Trouble.NO_CONNECTION),
        (of_sqlite(sqlite3.SQLITE_FULL), Trouble.NO_ROOM),
        (of_postgres("53100"), Trouble.NO_ROOM),
        (of_mariadb(1114), Trouble.NO_ROOM),
        (of_sqlite(sqlite3.SQLITE_CONSTRAINT_UNIQUE), None),
        (of_mariadb(1969), Trouble.TIMED_OUT),
        (of_mariadb(3024), Trouble.TIMED_OUT),
        (of_mariadb(1205), Trouble.BUSY),
        (of_mariadb(1213), Trouble.BUSY),
        (of_mariadb(1020), Trouble.BUSY),
        (of_mariadb(1040), Trouble.NO_CONNECTION),
        (of_mariadb(2013), Trouble.NO_CONNECTION),
        (of_mariadb(1062), None),
        (ConnectionResetError(), Trouble.NO_CONNECTION),
        (TimeoutError(), Trouble.TIMED_OUT),
    ],
)
def test_number_decides_and_not_the_text(original: Exception, trouble: Trouble | None) -> None:
    """Bare, wrapped by SQLAlchemy, or behind somebody's own error, the cause is the same."""
    hidden = RuntimeError("could not place the order")
    hidden.__cause__ = wrapped(original)

    assert trouble_behind(original) is trouble
    assert trouble_behind(wrapped(original)) is trouble
    assert trouble_behind(hidden) is trouble
    assert trouble_behind(ExceptionGroup("both", [ValueError(), hidden])) is trouble


def test_error_that_happened_while_handling_another_is_traced_back() -> None:
    """`__context__` counts, unless `from None` cut it."""
    try:
        try:
            raise of_postgres("57014")
        except asyncpg.PostgresError:
            raise ValueError  # noqa: B904
    except ValueError as error:
        uncut = error
    cut = ValueError()
    cut.__context__, cut.__suppress_context__ = of_postgres("57014"), True

    assert trouble_behind(uncut) is Trouble.TIMED_OUT
    assert trouble_behind(cut) is None


def test_wrapper_that_says_more_goes_before_its_cause() -> None:
    """A connect that timed out is a missing connection, not a slow statement."""
    error = DatabaseUnreachableError("postgresql://host", "no answer in time", "Start it.")
    error.__cause__ = TimeoutError()

    assert trouble_behind(error) is Trouble.NO_CONNECTION


def test_circle_of_causes_ends() -> None:
    """Errors can name each other."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert trouble_behind(first) is None


def test_connection_lost_in_a_statement_is_a_missing_connection() -> None:
    """SQLAlchemy's own mark decides where the driver's error says little."""
    lost = exc.OperationalError("SELECT 1", None, RuntimeError("gone"), connection_invalidated=True)

    assert trouble_behind(lost) is Trouble.NO_CONNECTION
