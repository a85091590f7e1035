"""Every timeout made to happen on every database: what is raised, whether the work stops, what HTTP answers."""

from typing import Any

import pytest

from lab_support.database import Backend
from lab_support.documents.embedded import EmbeddedMongo
from lab_support.workbook.every_timeout import Row, every_timeout, timeout_table

Seen = dict[tuple[str, str], tuple[str, str, bool | None, int]]

POOL = ("sqlalchemy.TimeoutError", "", None, 503)
UNREACHABLE = ("lab_support.DatabaseUnreachableError", "TimeoutError", None, 503)
OPTION = ("nothing", "", False, 200)

EXPECTED: dict[str, Seen] = {
    "sqlite": {
        ("pool wait", "pool_timeout"): POOL,
        ("statement", "statement_timeout"): (
            "sqlalchemy.OperationalError", "sqlite3.OperationalError SQLITE_INTERRUPT", True, 504,
        ),
        ("lock wait", "Timeouts.lock_s"): (
            "sqlalchemy.OperationalError", "sqlite3.OperationalError SQLITE_BUSY", True, 503,
        ),
        ("around a query", "asyncio.timeout"): ("TimeoutError", "", True, 504),
        ("around a query", "asyncio.timeout, plain engine"): ("TimeoutError", "", False, 504),
        ("statement", "execution_options(timeout=…)"): OPTION,
    },
    "postgresql": {
        ("connect", "Timeouts.connect_s"): UNREACHABLE,
        ("pool wait", "pool_timeout"): POOL,
        ("statement", "statement_timeout"): (
            "sqlalchemy.DBAPIError", "asyncpg.QueryCanceledError 57014", True, 504,
        ),
        ("lock wait", "Timeouts.lock_s"): (
            "sqlalchemy.DBAPIError", "asyncpg.LockNotAvailableError 55P03", True, 503,
        ),
        ("socket", "command_timeout"): ("TimeoutError", "", False, 504),
        ("around a query", "asyncio.timeout"): ("TimeoutError", "", True, 504),
        ("statement", "execution_options(timeout=…)"): OPTION,
    },
    "mariadb": {
        ("connect", "Timeouts.connect_s"): UNREACHABLE,
        ("pool wait", "pool_timeout"): POOL,
        ("statement", "statement_timeout"): (
            "sqlalchemy.OperationalError", "pymysql.OperationalError 1969", True, 504,
        ),
        ("lock wait", "Timeouts.lock_s"): (
            "sqlalchemy.OperationalError", "pymysql.OperationalError 1205", True, 503,
        ),
        ("socket", "none: asyncio.timeout"): ("TimeoutError", "", False, 504),
        ("around a query", "asyncio.timeout"): ("TimeoutError", "", False, 504),
        ("statement", "execution_options(timeout=…)"): OPTION,
    },
    "mongodb": {
        ("connect", "connectTimeoutMS, each try"): ("pymongo.ServerSelectionTimeoutError", "", None, 503),
        ("server selection", "serverSelectionTimeoutMS"): (
            "pymongo.ServerSelectionTimeoutError", "", None, 503,
        ),
        ("pool wait", "waitQueueTimeoutMS"): ("pymongo.WaitQueueTimeoutError", "", None, 503),
        ("statement", "maxTimeMS"): ("pymongo.ExecutionTimeout", "pymongo.ExecutionTimeout 50", True, 504),
        ("socket", "socketTimeoutMS"): ("pymongo.NetworkTimeout", "TimeoutError", True, 504),
        ("around a query", "asyncio.timeout"): ("TimeoutError", "", False, 504),
    },
}  # fmt: skip


def seen_in(rows: list[Row]) -> Seen:
    return {
        (row.timeout, row.setting): (row.raised, row.driver_raised, row.stopped, row.status) for row in rows
    }


async def test_every_timeout_of_an_engine_is_as_the_lesson_says(backend: Backend, database_url: str) -> None:
    """No row is missing, none is new, and no limit rings early."""
    rows = [row async for row in every_timeout({backend: database_url}, limit_s=0.1)]

    assert seen_in(rows) == EXPECTED[backend]
    assert all(row.ratio > 0.95 for row in rows)


async def test_every_timeout_of_mongodb_is_as_the_lesson_says() -> None:
    """A client of MongoDB has one limit more than the others: looking for a server."""
    with EmbeddedMongo() as server:
        rows = [row async for row in every_timeout({}, mongo=server, limit_s=0.1)]

    assert seen_in(rows) == EXPECTED["mongodb"]
    assert all(row.ratio > 0.95 for row in rows)


@pytest.mark.parametrize(
    ("urls", "limit_s", "said"),
    [({}, 0.01, "limit_s is 0.01"), ({}, 5, "limit_s is 5"), ({"oracle": "x"}, 0.1, "oracle")],
)
async def test_what_makes_no_sense_is_refused(urls: dict[str, str], limit_s: float, said: str) -> None:
    """Too short a limit measures the machine; too long a one the reader's patience."""
    with pytest.raises(ValueError, match=said):
        await anext(every_timeout(urls, limit_s=limit_s))


def test_table_shows_each_row_as_text() -> None:
    """What a driver calls its errors is shown and is nothing else."""
    named: dict[str, Any] = {"backend": "sqlite", "timeout": "<b>", "setting": "s", "raised": "nothing"}
    row = Row(**named, driver_raised="", limit_s=0.5, elapsed_s=1.0, stopped=None, status=200)

    shown = timeout_table([row])

    assert "&lt;b&gt;" in shown
    assert "<td>2.0</td>" in shown
    assert "none had begun" in shown
