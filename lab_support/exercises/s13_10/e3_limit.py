"""13.10.3: a statement's time limit, judged by whether the database still works when the caller has gone on."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sqlalchemy import text

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.s13_10.slow import SlowDatabase
from lab_support.exercises.story import Answer, Story
from lab_support.exercises.student_code import means_not_attempted, one_line

LIMIT_S: Final = 0.05
LONGER_S: Final = (0.2, 0.8)
SLOW_S: Final = 1.5
NEXT_S: Final = 0.15
PLENTY_S: Final = 30.0
LOOKS: Final = 100
ACTIVE: Final = (
    "SELECT count(*) AS active FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
)

limit = Exercise(
    id="13.10.3",
    title="A limit that stops the query",
    task="Run a statement with a time limit that ends it in the database, and leave no limit to the next user.",
    student_writes=("run_within",),
    witness="measured",
    limit_s=30.0,
    hints=(
        "Who does the work: your task, or somebody that it waits for? Who can tell that one to stop? And who uses "
        "the connection next?",
        "PostgreSQL: `set_config('statement_timeout', …, true)` holds until the transaction's end. SQLite: a progress "
        "handler that returns true stops the statement; set it to None in a `finally`. "
        "`trouble_behind(error) is Trouble.TIMED_OUT` knows both errors.",
        "driver = (await connection.get_raw_connection()).driver_connection\n"
        "ends = time.monotonic() + seconds\n"
        "await driver.set_progress_handler(lambda: time.monotonic() > ends, 10_000)\n"
        "try:\n    return (await connection.execute(statement)).all()\n"
        "finally:\n    await driver.set_progress_handler(None, 0)",
    ),
    misconceptions=(
        Misconception(
            "execution-options-timeout",
            "You believe that an execution option of that name is a limit. SQLAlchemy takes any name and hands it to "
            "nobody: tell the database itself.",
            lambda seen: seen.options and {*seen.ended} == {"rows"},
        ),
        Misconception(
            "wait-for-only",
            "You believe that who stops waiting stops the work. SQLite works in a thread, which no cancellation "
            "reaches, and goes on to the end: set a progress handler, or interrupt the connection.",
            lambda seen: seen.finished and "TimeoutError" in seen.ended,
        ),
        Misconception(
            "leaks-through-the-pool",
            "You believe that a limit ends with your function. A setting belongs to the connection, and the pool gives "
            "that to the next request: undo it in a `finally`, or set it for the transaction only.",
            lambda seen: seen.next_stopped,
        ),
    ),
)


async def _run(attempt: Attempt, database: SlowDatabase, statement: Any, seconds: float) -> dict[str, Any]:
    try:
        rows = await attempt.the("run_within")(database.engine, statement, seconds)
    except Exception as error:
        if means_not_attempted(error):
            raise
        return {"ended": type(error).__name__, "text": one_line(error)}
    return {"ended": "rows", "text": str([tuple(row) for row in rows])}


@limit.act
async def slow_then_next(attempt: Attempt) -> dict[str, Any]:
    """Run a slow statement with a short limit; then somebody else uses the connection, and has no limit."""
    database = SlowDatabase(attempt.engine.url)
    try:
        await _next(database)  # so that the pool has a connection
        database.finished = 0
        for seconds in (LIMIT_S, *LONGER_S):
            found = await _run(attempt, database, database.slow(SLOW_S), seconds)
            await database.idle()
            if database.began or found["ended"] != "TimeoutError":
                break  # else the machine was so busy that the time was up before the statement began
        return {**found, "finished": database.finished, "options": database.options} | await _next(database)
    finally:
        await database.engine.dispose()


@limit.act
async def quick_then_next(attempt: Attempt, number: int) -> dict[str, Any]:
    """Run a quick statement with a limit; then somebody else uses the connection for longer than that."""
    database = SlowDatabase(attempt.engine.url)
    try:
        found = await _run(attempt, database, text(f"SELECT {number} + 1"), PLENTY_S)
        for seconds in (LIMIT_S, LIMIT_S):
            await _run(attempt, database, text("SELECT 1"), seconds)
        return found | await _next(database)
    finally:
        await database.engine.dispose()


@limit.act
async def broken(attempt: Attempt, table: str) -> dict[str, Any]:
    """Run a statement that the database refuses."""
    database = SlowDatabase(attempt.engine.url)
    try:
        return await _run(attempt, database, text(f"SELECT * FROM {table}"), PLENTY_S)  # noqa: S608 - ours
    finally:
        await database.engine.dispose()


async def _next(database: SlowDatabase) -> dict[str, Any]:
    """Use the connection as the next request does; return what stops it."""
    try:
        async with database.engine.connect() as connection:
            await connection.execute(database.slow(NEXT_S))
    except Exception as error:
        return {"next": one_line(error)}
    return {"next": ""}


def _saw(story: Story, answer: Answer) -> None:
    story.saw(next_stopped=story.seen.next_stopped or bool(answer["next"]))


def _next_is_free(story: Story, answer: Answer) -> None:
    story.expect(not answer["next"], "The next user of the connection set no limit, and was stopped.",
                 expected="no limit", observed=answer["next"])  # fmt: skip


async def _is_quick(story: Story) -> None:
    number = story.random.randint(10, 10_000)
    answer = await story.ask(
        quick_then_next, call=f"SELECT {number} + 1, within {PLENTY_S:g} s", number=number
    )
    _saw(story, answer)
    story.equal((answer["ended"], answer["text"]), ("rows", f"[({number + 1},)]"), "The rows are other ones.")
    _next_is_free(story, answer)


async def _is_stopped(story: Story) -> None:
    call = f"a statement that takes {SLOW_S:g} s, within {LIMIT_S:g} s"
    answer = await story.ask(slow_then_next, call=call)
    _saw(story, answer)
    story.saw(
        ended=[*(story.seen.ended or ()), answer["ended"]],
        finished=story.seen.finished or answer["finished"] > 0,
        options=story.seen.options or answer["options"],
    )
    busy = await _still_busy(story)
    story.equal(answer["ended"], "TimeoutError", "The statement took longer than its limit.")
    story.expect(not answer["finished"] and not busy, "Your function came back, and the database worked on.",
                 expected="idle", observed="the query ran to its end" if answer["finished"] else "active")  # fmt: skip
    _next_is_free(story, answer)


async def _still_busy(story: Story) -> bool:
    """Ask the server, by the judge's own connection, whether a statement of the student's still runs."""
    if story.dialect != "postgresql":
        return False
    for _ in range(LOOKS):
        (found,) = await story.rows(ACTIVE)
        if not found["active"]:
            return False
        await asyncio.sleep(0.005)
    return True


async def _is_refused(story: Story) -> None:
    table = f"t{story.random.getrandbits(40):x}"
    answer = await story.ask(broken, call="SELECT * FROM a table that is not there", table=table)
    story.expect(answer["ended"] in ("OperationalError", "ProgrammingError"), "The database's own error is lost.",
                 expected="the DBAPIError, as it is", observed=f"{answer['ended']} {answer['text']}")  # fmt: skip


@limit.scenario("a quick statement returns its rows, on SQLite")
async def quick_on_sqlite(story: Story) -> None:
    await _is_quick(story)
    await _is_refused(story)


@limit.scenario("a slow statement is stopped, on SQLite", points=2)
async def slow_on_sqlite(story: Story) -> None:
    await _is_stopped(story)


@limit.scenario("a quick statement returns its rows, on PostgreSQL", on="postgresql")
async def quick_on_postgresql(story: Story) -> None:
    await _is_quick(story)
    await _is_refused(story)


@limit.scenario("a slow statement is stopped, on PostgreSQL", on="postgresql", points=2)
async def slow_on_postgresql(story: Story) -> None:
    await _is_stopped(story)
