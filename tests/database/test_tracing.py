"""The trace shows what was sent, in order, with nothing hidden but secrets."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from database_tables import Counter, Mark, one_counter
from sqlalchemy import bindparam, column, event, insert, literal, select, table, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from lab_support.database import (
    Backend,
    Trace,
    UnitOfWork,
    build_engine,
    fault,
    trace_sql,
    unit_of_work,
    writing_session,
)
from lab_support.pools import Timeouts

Sessions = async_sessionmaker[AsyncSession]
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"])


def story(trace: Trace) -> list[str]:
    return [traced.kind for traced in trace.events]


async def test_borders_and_statements_come_in_their_order(engine: AsyncEngine, sessions: Sessions) -> None:
    """One BEGIN a transaction, however the engine sends it; savepoints are no statements."""
    await one_counter(engine)
    with trace_sql(engine) as trace:
        async with writing_session(sessions) as session:
            counter = await session.get_one(Counter, 1)
            async with session.begin_nested():
                counter.value = 1
            await session.commit()
            counter.value = 2
            await session.flush()
            await session.rollback()

    assert story(trace) == [
        *("BEGIN", "SQL", "SAVEPOINT", "SQL", "RELEASE", "COMMIT"),
        *("BEGIN", "SQL", "ROLLBACK"),
    ]
    assert len(trace.statements) == 3
    assert trace.commits == 1


@on_sqlite
async def test_explicit_begin_of_sqlite_is_shown_once_and_as_sent(
    sessions: Sessions, backend: Backend
) -> None:
    """Whether the trace or the engine heard of the beginning first."""
    with trace_sql() as watching_all, trace_sql(sessions.kw["bind"]) as watching_one:
        async with writing_session(sessions) as session:
            await session.execute(text("SELECT 1"))

    for trace in (watching_all, watching_one):
        assert [traced.sql for traced in trace.events] == ["BEGIN IMMEDIATE", "SELECT 1", "ROLLBACK"]


@on_sqlite
async def test_naive_engine_is_traced_too(tmp_path: Path, backend: Backend) -> None:
    """No engine has to be built by us, nor before the trace begins."""
    with trace_sql() as trace:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'naive.db'}")
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))
        await engine.dispose()

    assert story(trace) == ["BEGIN", "SQL", "COMMIT"]


async def test_failed_statement_is_shown_with_its_error(engine: AsyncEngine, sessions: Sessions) -> None:
    """What failed is in the trace, and only it is marked."""
    await one_counter(engine)
    with trace_sql(engine) as trace:
        async with sessions() as session:
            await session.execute(text("SELECT 1"))
            with pytest.raises(DBAPIError):
                await session.execute(text("SELECT * FROM nowhere"))

    errors = [traced.error for traced in trace.events]
    assert story(trace) == ["BEGIN", "SQL", "SQL", "ROLLBACK"]
    assert errors[:2] == [None, None]
    assert "nowhere" in (errors[2] or "")
    assert errors[3] is None


@on_sqlite
async def test_failed_begin_is_shown_and_so_is_the_next_one(tmp_path: Path, backend: Backend) -> None:
    """A writer that found the file locked by another process tried twice: both attempts are there."""
    file = tmp_path / "x.db"
    engine = build_engine(f"sqlite:///{file}", timeouts=Timeouts(lock_s=0.01))
    await one_counter(engine)
    with trace_sql(engine) as trace, closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with writing_session(async_sessionmaker(engine)) as session:
            with pytest.raises(OperationalError):
                await session.execute(text("SELECT 2"))
            other.execute("ROLLBACK")
            await session.execute(text("SELECT 2"))
    await engine.dispose()

    assert [(traced.kind, bool(traced.error)) for traced in trace.events] == [
        ("BEGIN", True),
        ("ROLLBACK", False),
        ("BEGIN", False),
        ("SQL", False),
        ("ROLLBACK", False),
    ]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_commit_that_fails_is_marked(engine: AsyncEngine, backend: Backend) -> None:
    """A deferred constraint speaks at COMMIT only; that commit does not count."""
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE parents (id INTEGER PRIMARY KEY)"))
        await connection.execute(
            text("CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
        )
    with trace_sql(engine) as trace, pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO children VALUES (9)"))

    commit = next(traced for traced in trace.events if traced.kind == "COMMIT")
    assert commit.error
    assert trace.commits == 0


async def test_error_before_sending_marks_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    """A statement that never left has no event, and does not blacken the one before it."""
    await one_counter(engine)
    with trace_sql(engine) as trace:
        async with sessions() as session:
            await session.execute(text("SELECT 1"))
            session.add(Counter(name="x", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001
            with pytest.raises(Exception, match="no time zone"):
                await session.flush()

    assert [traced.error for traced in trace.events] == [None] * len(trace.events)
    assert len(trace.statements) == 1


async def test_parameters_are_shown_and_secrets_are_not(engine: AsyncEngine) -> None:
    """Masked by the parameter's name: in compiled statements, in text, and in a list of rows."""
    users = table("users", column("id"), column("name"), column("password_hash"))
    async with engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE users (id INTEGER, name VARCHAR(20), password_hash VARCHAR(20))")
        )
        with trace_sql(engine) as trace:
            rows = [{"id": n, "name": f"n{n}", "password_hash": f"hush{n}"} for n in (1, 2)]
            await connection.execute(insert(users), rows[0])
            await connection.execute(insert(users), rows)
            await connection.execute(select(users).where(users.c.password_hash == rows[0]["password_hash"]))
            await connection.execute(
                text("SELECT 1 FROM users WHERE name = :name AND password_hash = :password"),
                {"name": "n1", "password": "hush2"},
            )

    shown = json.dumps([traced.as_dict() for traced in trace.events]) + str(trace) + trace._repr_html_()
    assert "hush" not in shown
    assert "***" in shown
    assert "n1" in shown
    assert [traced.executemany for traced in trace.statements] == [False, True, False, False]


async def test_every_batch_of_a_large_insert_is_one_statement(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """What the ORM sends in batches is counted as sent."""
    await one_counter(engine)
    sent: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    with trace_sql(engine) as trace:
        async with sessions() as session:
            session.add_all([Counter(name=f"n{number}") for number in range(1500)])
            await session.flush()

    assert [traced.sql for traced in trace.statements] == [sql for sql in sent if not sql.startswith("BEGIN")]


async def test_connections_are_numbered_from_one_in_each_trace(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    """The numbers are small and tell who said what."""
    async with engine.connect() as earlier:
        await earlier.execute(text("SELECT 0"))
        for _ in range(2):
            with trace_sql(engine) as trace:
                async with sessions() as first, sessions() as second:
                    await first.execute(text("SELECT 1"))
                    await second.execute(text("SELECT 2"))
                    await first.execute(text("SELECT 3"))

            said = [(traced.connection, traced.sql) for traced in trace.statements]
            assert said == [(1, "SELECT 1"), (2, "SELECT 2"), (1, "SELECT 3")]


async def test_connection_that_was_open_before_is_traced(engine: AsyncEngine) -> None:
    """The instrument may come later than the session."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        with trace_sql(engine) as trace:
            await connection.execute(text("SELECT 2"))
            await connection.commit()

    assert story(trace) == ["SQL", "COMMIT"]


async def test_nothing_is_recorded_after_the_block(engine: AsyncEngine) -> None:
    """The trace stays readable and still."""
    with trace_sql() as every, trace_sql(engine) as one:
        pass
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))

    assert every.events == one.events == []
    assert str(one) == "(nothing was sent to a database)"


async def test_trace_ends_when_its_block_fails(engine: AsyncEngine) -> None:
    """An error inside leaves no instrument behind."""
    with pytest.raises(ZeroDivisionError), trace_sql(engine) as trace:
        raise ZeroDivisionError
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))

    assert trace.events == []


async def test_other_engines_are_not_in_a_trace_of_one(engine: AsyncEngine, tmp_path: Path) -> None:
    """Watching one engine shows that engine."""
    other = build_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with trace_sql(engine) as trace:
        async with other.connect() as connection:
            await connection.execute(text("SELECT 1"))
    await other.dispose()

    assert trace.events == []


async def test_durations_are_those_of_the_driver(engine: AsyncEngine) -> None:
    """A statement that waits 50 ms in the server shows at least that; time between statements is not counted."""
    wait = {"sqlite": None, "postgresql": "SELECT pg_sleep(0.05)", "mysql": "SELECT sleep(0.05)"}
    slow = wait[engine.dialect.name] or (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT sum(x) FROM n"
    )
    with trace_sql(engine) as trace:
        async with engine.connect() as connection:
            await connection.execute(text(slow))

    duration_ms = trace.statements[0].duration_ms
    assert duration_ms > (20 if engine.dialect.name == "sqlite" else 45)
    assert trace.duration_ms >= duration_ms


@on_sqlite
async def test_table_escapes_what_it_shows(engine: AsyncEngine, backend: Backend) -> None:
    """SQL and parameters come from anywhere; in a notebook they must stay text."""
    with trace_sql(engine) as trace:
        async with engine.connect() as connection:
            await connection.execute(select(literal("<script>alert(1)</script>")))

    assert "<script>" not in trace._repr_html_()
    assert "&lt;script&gt;" in trace._repr_html_()
    assert "<script>alert(1)</script>" in str(trace)


@on_sqlite
async def test_values_of_any_type_become_json(engine: AsyncEngine, backend: Backend) -> None:
    """Money, moments and bytes cross a process border as text."""
    values = {
        "d": str(Decimal("1.10")),
        "b": b"\x00\x01",
        "n": None,
        "t": str(datetime(2026, 1, 1, tzinfo=UTC)),
    }
    with trace_sql(engine) as trace:
        async with engine.connect() as connection:
            await connection.execute(
                select(*(bindparam(name, value) for name, value in values.items()), literal(7))
            )

    assert json.loads(json.dumps(trace.as_dicts()))[1]["parameters"] == [
        "1.10",
        "<2 bytes>",
        None,
        "2026-01-01 00:00:00+00:00",
        7,
    ]


async def test_concurrent_sessions_keep_their_stories_apart(engine: AsyncEngine, sessions: Sessions) -> None:
    """Ten sessions at once: each connection's own events are still in order."""
    await one_counter(engine)

    async def read() -> None:
        async with sessions() as session:
            await session.get(Counter, 1)
            await session.get(Mark, 1)

    with trace_sql(engine) as trace:
        await asyncio.gather(*(read() for _ in range(10)))

    for number in {traced.connection for traced in trace.events}:
        own = [traced.kind for traced in trace.events if traced.connection == number]
        assert own == ["BEGIN", "SQL", "SQL", "ROLLBACK"] * (len(own) // 4)
    assert len(trace.statements) == 20


async def test_connection_that_was_cut_rolls_nothing_back(engine: AsyncEngine, sessions: Sessions) -> None:
    """A death in a commit's hook leaves no ROLLBACK in the trace, and no error of the trace's own."""
    await one_counter(engine)

    async def add_mark(uow: UnitOfWork) -> None:
        await uow.session.execute(insert(Mark).values(counter_id=1))

    with trace_sql(engine) as trace, fault(engine, after_statement=1, how="die") as injected:
        async with unit_of_work(sessions) as uow:
            uow.before_commit(add_mark)
            await uow.commit()

    assert injected.surfaced
    assert story(trace) == ["BEGIN", "SQL"]
