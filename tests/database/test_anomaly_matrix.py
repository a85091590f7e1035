"""The anomaly matrix: what each engine really prevents, allows or refuses at each of its isolation levels."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import Backend, DatabaseUrlError, build_engine
from lab_support.database.isolation import (
    ANOMALIES,
    IMMEDIATE,
    SNAPSHOT_ISOLATION,
    Anomaly,
    Level,
    Played,
    anomaly_matrix,
    play_anomaly,
)
from lab_support.database.isolation.matrix import laboratory
from lab_support.database.isolation.play import play

RU, RC, RR, S = "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"
LEVELS = {
    "sqlite": (S, IMMEDIATE),
    "postgresql": (RU, RC, RR, S),
    "mariadb": (RU, RC, RR, SNAPSHOT_ISOLATION, S),  # the fourth where the server knows it
}
NO, YES = "prevented", "allowed"
BUSY, CONFLICT, DEADLOCK, CHANGED = "refused SQLITE_BUSY", "refused 40001", "refused 1213", "refused 1020"
EXPECTED = {
    "sqlite": {  # one level only, whatever the transaction begins with: SQLite 3.x in WAL mode
        "dirty write": (NO, NO),
        "dirty read": (NO, NO),
        "intermediate read": (NO, NO),
        "circular information flow": (NO, NO),
        "observed transaction vanishes": (NO, NO),
        "non-repeatable read": (NO, NO),
        "phantom": (NO, NO),
        "predicate-many-preceders": (NO, NO),
        "lost update": (BUSY, NO),
        "read skew": (NO, NO),
        "write skew": (BUSY, NO),
        "write skew on a predicate": (BUSY, NO),
    },
    "postgresql": {  # since 9.1; READ UNCOMMITTED is READ COMMITTED
        "dirty write": (NO, NO, CONFLICT, CONFLICT),
        "dirty read": (NO, NO, NO, NO),
        "intermediate read": (NO, NO, NO, NO),
        "circular information flow": (NO, NO, NO, CONFLICT),
        "observed transaction vanishes": (NO, NO, CONFLICT, CONFLICT),
        "non-repeatable read": (YES, YES, NO, NO),
        "phantom": (YES, YES, NO, NO),
        "predicate-many-preceders": (YES, YES, CONFLICT, CONFLICT),
        "lost update": (YES, YES, CONFLICT, CONFLICT),
        "read skew": (YES, YES, NO, NO),
        "write skew": (YES, YES, YES, CONFLICT),
        "write skew on a predicate": (YES, YES, YES, CONFLICT),
    },
    "mariadb": {  # snapshot isolation is REPEATABLE READ's default from 11.6.2 on
        "dirty write": (NO, NO, NO, NO, NO),
        "dirty read": (YES, NO, NO, NO, NO),
        "intermediate read": (YES, NO, NO, NO, NO),
        "circular information flow": (YES, NO, NO, NO, DEADLOCK),
        "observed transaction vanishes": (YES, NO, NO, NO, NO),
        "non-repeatable read": (YES, YES, NO, NO, NO),
        "phantom": (YES, YES, NO, NO, NO),
        "predicate-many-preceders": (NO, NO, NO, NO, NO),
        "lost update": (YES, YES, YES, CHANGED, DEADLOCK),
        "read skew": (YES, YES, NO, NO, NO),
        "write skew": (YES, YES, YES, YES, DEADLOCK),
        "write skew on a predicate": (YES, YES, YES, YES, DEADLOCK),
    },
}
PlayedAt = Callable[[Anomaly, Level], Awaitable[Played]]
NO_ISOLATION = Level("none", {"isolation_level": "AUTOCOMMIT"})


async def test_matrix_is_what_each_engine_does(backend: Backend, database_url: str) -> None:
    """Every anomaly at every level, measured in a few seconds, is what the lesson says of this engine."""
    async with asyncio.timeout(30):
        matrix = await anomaly_matrix(database_url)

    assert matrix.server.lower().startswith(f"{backend} ")
    known = [level in matrix.levels for level in LEVELS[backend]]
    assert matrix.levels == tuple(level for level in LEVELS[backend] if level in matrix.levels)
    assert all(known) or (backend == "mariadb" and known.count(False) == 1)
    assert matrix.as_dict() == {
        anomaly: {
            level: cell for level, cell in zip(LEVELS[backend], row, strict=True) if level in matrix.levels
        }
        for anomaly, row in EXPECTED[backend].items()
    }


@pytest.mark.mariadb
async def test_default_level_of_mariadb_is_one_of_the_two(mariadb_url: str) -> None:
    """Up to 11.6.1 REPEATABLE READ loses updates by default, from 11.6.2 on it refuses them."""
    engine = build_engine(mariadb_url)
    try:
        async with engine.connect() as connection:
            version = connection.dialect.server_version_info or ()
            row = (await connection.execute(text("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'"))).first()
    finally:
        await engine.dispose()
    if row is None:
        pytest.skip("This MariaDB does not know snapshot isolation.")
    by_default = "ON" if tuple(version[:3]) >= (11, 6, 2) else "OFF"
    assert row[1] == by_default


async def test_matrix_leaves_nothing_behind(engine: AsyncEngine, database_url: str) -> None:
    """The table it made is gone, and the database's usual isolation is untouched."""
    await play_anomaly(database_url, "P4", S)

    async with engine.connect() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []


async def test_matrix_is_shown_as_a_table(sqlite_url: str) -> None:
    """In text and in HTML, each row has its name and each cell its outcome."""
    matrix = await anomaly_matrix(sqlite_url)

    plain = str(matrix).splitlines()
    assert plain[0].startswith("SQLite 3.")
    assert "lost update (P4)" in str(matrix)
    assert len(plain) == 2 + len(ANOMALIES)
    page = matrix._repr_html_()
    assert page.count("<tr>") == 1 + len(ANOMALIES)
    assert page.count("refused SQLITE_BUSY") == 3
    assert matrix["lost update", S].outcome == "refused"


async def test_protocol_tells_who_did_what(sqlite_url: str) -> None:
    """One script alone shows its steps in order, what came back, and who had to wait."""
    played = await play_anomaly(sqlite_url, "lost update", IMMEDIATE)

    assert [(line.who, line.result, line.waited) for line in played.lines] == [
        ("T1", "10", False),
        ("T2", "11", True),
        ("T1", "1 row(s)", False),
        ("T2", "1 row(s)", False),
        ("T1", "ok", False),
        ("T2", "ok", False),
    ]
    assert "T2  SELECT value FROM t WHERE id = 1" in str(played)
    assert "(waited)" in played._repr_html_()


async def test_unknown_names_are_told_with_the_known_ones(sqlite_url: str) -> None:
    """A wrong anomaly, level or URL is refused in one line that helps."""
    with pytest.raises(LookupError, match="write skew"):
        await play_anomaly(sqlite_url, "lost weekend", S)
    with pytest.raises(LookupError, match="IMMEDIATE"):
        await play_anomaly(sqlite_url, "P4", "READ COMMITTED")
    with pytest.raises(DatabaseUrlError):
        await anomaly_matrix("sqlite://")


@pytest.fixture
async def played_on_sqlite(tmp_path: Path) -> AsyncIterator[PlayedAt]:
    async with laboratory(f"sqlite:///{tmp_path / 'trial.db'}") as (engine, observer, table):

        async def at(anomaly: Anomaly, level: Level) -> Played:
            return await play(anomaly, level, engine, observer, table)

        yield at


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.code)
async def test_no_script_cries_wolf(played_on_sqlite: PlayedAt, anomaly: Anomaly) -> None:
    """Played one transaction after the other, nobody waits and no anomaly happens."""
    serial = replace(anomaly, steps=tuple(sorted(anomaly.steps, key=lambda step: step.who)))
    played = await played_on_sqlite(serial, Level("SERIALIZABLE"))

    assert (played.outcome, played.waited) == ("prevented", False)


@pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda anomaly: anomaly.code)
async def test_every_script_can_show_its_anomaly(played_on_sqlite: PlayedAt, anomaly: Anomaly) -> None:
    """Where each statement is kept at once, the anomaly happens; PMP needs a statement that waits half-way."""
    played = await played_on_sqlite(anomaly, NO_ISOLATION)

    assert played.outcome == ("prevented" if anomaly.code == "PMP" else "allowed")


def test_names_and_codes_are_unique() -> None:
    """A name or a code leads to one script."""
    names = [name for anomaly in ANOMALIES for name in (anomaly.name, anomaly.code)]
    assert len(names) == len(set(names))
