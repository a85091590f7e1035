"""13.10.4: errors become HTTP answers, judged by what an application says when things really go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, HTTPException
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.database import build_engine
from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.story import Story
from lab_support.pools import PoolSettings, Timeouts

SHORT_S: Final = 0.05
STATEMENT_S: Final = 0.2
CLOSED_PORT: Final = 1
COUNTING: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
UNAVAILABLE, TOO_SLOW, UNEXPECTED = 503, 504, 500
PROBLEM: Final = "application/problem+json"

errors = Exercise(
    id="13.10.4",
    title="Errors to 503 and 504",
    task="Answer what a database can do to a request with 503 or 504, and whatever nobody expected with 500.",
    student_writes=("install_errors",),
    witness="answers",
    limit_s=20.0,
    hints=(
        "Three questions to each error. May the caller come again, and when? Did somebody's time run out, or was "
        "there no connection? And would you have caught a misspelt table name, too?",
        "`sqlalchemy.exc.TimeoutError` is the pool's. A `DBAPIError` has `connection_invalidated` and `orig`, which "
        "has a `sqlstate` (PostgreSQL) or a `sqlite_errorcode`. Python's `TimeoutError` is an `OSError`, so ask for it "
        "first. `trouble_behind(error)` asks all of this.",
        "async def answer(request, error):\n    trouble = trouble_behind(error)\n"
        "    if trouble is Trouble.TIMED_OUT:\n        return problem(504, 'Database too slow')\n"
        "    if trouble is not None:\n"
        "        return problem(503, 'Database unavailable', headers={'Retry-After': '1'})\n"
        "    return problem(500)\n"
        "for family in (SQLAlchemyError, OSError, Exception):\n    app.add_exception_handler(family, answer)",
    ),
    misconceptions=(
        Misconception(
            "all-500",
            "You believe that an error is an error. 500 says that we have a bug, and nobody comes again; a full pool "
            "is none, and a second later it may have room: 503 says so, and 504 that it took too long.",
            lambda seen: seen.handled and seen.busy == UNEXPECTED and seen.slow == UNEXPECTED,
        ),
        Misconception(
            "all-503",
            "You believe that every database error will pass. A statement that ran out of time would run out of it "
            "again (504), and a misspelt table stays misspelt (500): 503 invites the same request again.",
            lambda seen: seen.busy == UNAVAILABLE and UNAVAILABLE in (seen.slow, seen.misspelt),
        ),
        Misconception(
            "no-retry-after",
            "You believe that the number says enough. Callers who are not told when to come again come at once, all "
            "of them, and the pool stays full: add Retry-After.",
            lambda seen: seen.busy == UNAVAILABLE and seen.retry_after is False,
        ),
        Misconception(
            "leaks-the-error",
            "You believe that the caller is to see what went wrong. str(error) tells a stranger your tables, your "
            "server's address and your SQL: log the error, and answer with words of your own.",
            lambda seen: seen.leaked,
        ),
    ),
)


class _Shop:
    """Routes that really fail, each in its own way; `secret` is in the text of what is raised."""

    def __init__(self, attempt: Attempt, secret: str) -> None:
        self._url, self._secret = attempt.engine.url, secret
        pool, limits = (
            PoolSettings(size=1, max_overflow=0, timeout_s=SHORT_S),
            Timeouts(statement_s=STATEMENT_S),
        )
        self.engine: AsyncEngine = build_engine(self._url, pool=pool, timeouts=limits)
        self.routes: dict[str, Callable[[], Awaitable[Any]]] = {
            "fine": self._fine, "busy": self._busy, "slow": self._slow, "lost": self._lost, "away": self._away,
            "deadline": self._deadline, "misspelt": self._misspelt, "bug": self._bug, "gone": self._gone,
        }  # fmt: skip

    async def _execute(self, statement: str) -> Any:
        async with self.engine.connect() as connection:
            return await connection.scalar(text(statement))

    @property
    def _on_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    async def _fine(self) -> Any:
        return {"one": await self._execute("SELECT 1")}

    async def _busy(self) -> Any:
        async with self.engine.connect():
            return await self._execute(f"SELECT 1 -- {self._secret}")

    async def _slow(self) -> Any:
        slow = "SELECT pg_sleep(60)" if self._on_postgresql else COUNTING
        return await self._execute(f"{slow} -- {self._secret}")

    async def _lost(self) -> Any:
        return await self._execute(f"SELECT pg_terminate_backend(pg_backend_pid()) -- {self._secret}")

    async def _away(self) -> Any:
        nowhere = self._url.set(database=f"/{self._secret}/shop.db")
        if self._on_postgresql:
            nowhere = self._url.set(host="127.0.0.1", port=CLOSED_PORT, query={}, username=self._secret)
        engine = build_engine(nowhere)
        try:
            async with engine.connect():
                return {}
        finally:
            await engine.dispose()

    async def _deadline(self) -> Any:
        async with asyncio.timeout(SHORT_S):
            await asyncio.Event().wait()

    async def _misspelt(self) -> Any:
        return await self._execute(f"SELECT price FROM {self._secret}")  # noqa: S608

    async def _bug(self) -> Any:
        raise KeyError(self._secret)

    async def _gone(self) -> Any:
        raise HTTPException(404, "There is no such product.")


@errors.act
async def get(attempt: Attempt, route: str, secret: str) -> dict[str, Any]:
    """Send one request to an application with the student's handlers."""
    shop, app = _Shop(attempt, secret), FastAPI()
    app.get("/stock")(shop.routes[route])
    before = dict(app.exception_handlers)
    attempt.the("install_errors")(app)
    try:
        async with attempt.client(app) as http:
            answer = await http.get("/stock")
    finally:
        await shop.engine.dispose()
    kind = answer.headers.get("content-type", "").partition(";")[0]
    return {
        "status": answer.status_code, "kind": kind, "retry_after": answer.headers.get("retry-after"),
        "text": answer.text, "handled": app.exception_handlers != before,
    }  # fmt: skip


WAYS: Final = {
    "busy": ("a request that gets no connection in time", UNAVAILABLE),
    "slow": ("a statement that the database stops at its limit", TOO_SLOW),
    "lost": ("a connection that the server cuts", UNAVAILABLE),
    "away": ("a database that cannot be reached", UNAVAILABLE),
    "deadline": ("a deadline of our own that is over: TimeoutError", TOO_SLOW),
    "misspelt": ("a table that is not there", UNEXPECTED),
    "bug": ("a KeyError in our own code", UNEXPECTED),
}


async def _ask(story: Story, route: str) -> dict[str, Any]:
    secret = f"s{story.random.getrandbits(48):012x}"
    told = WAYS.get(route, (route, 0))[0]
    answer: dict[str, Any] = (
        await story.ask(get, call=f"GET /stock: {told}", route=route, secret=secret)
    ).value
    leaked = [word for word in (secret, "SELECT", "sqlalche.me", "Traceback") if word in answer["text"]]
    story.saw(**{route: answer["status"]}, leaked=story.seen.leaked or leaked, handled=answer["handled"])
    if route == "busy":
        story.saw(retry_after=answer["retry_after"] is not None)
    return answer


async def _become(story: Story, *routes: str) -> None:
    """Expect the right answer to each kind of failure; all are asked before one is judged."""
    answers = {route: await _ask(story, route) for route in routes}
    for route, answer in answers.items():
        told, status = WAYS[route]
        story.last_call = f"GET /stock: {told}"
        story.equal(answer["status"], status, "The status is another one.")
        leaked = bool(story.seen.leaked)
        story.expect(not leaked, "An answer tells the caller what only your log should know.",
                     expected="words of your own", observed=answer["text"])  # fmt: skip
        if status != UNEXPECTED:
            story.equal(answer["kind"], PROBLEM, "The answer is no problem document.")
        if status == UNAVAILABLE:
            wait = str(answer["retry_after"])
            story.expect(wait.isdigit() and int(wait) > 0, "A 503 does not say when to come again.",
                         expected="Retry-After, in whole seconds", observed=answer["retry_after"])  # fmt: skip


@errors.scenario("what goes well, and what was answered on purpose, stays as it is")
async def calm(story: Story) -> None:
    fine, gone = await _ask(story, "fine"), await _ask(story, "gone")
    story.equal((fine["status"], gone["status"]), (200, 404), "A good answer, or a 404, became another one.")
    story.expect("no such product" in gone["text"], "The text of a 404 has been lost.", observed=gone["text"])


@errors.scenario("what a database does becomes 503 or 504, on SQLite", points=2)
async def on_sqlite(story: Story) -> None:
    await _become(story, "busy", "slow", "away")


@errors.scenario("what a database does becomes 503 or 504, on PostgreSQL", on="postgresql", points=2)
async def on_postgresql(story: Story) -> None:
    lost = ("lost",) if story.dialect == "postgresql" else ()
    await _become(story, "busy", "slow", *lost, "away", "deadline")


@errors.scenario("what nobody expected stays a 500, and tells nothing", points=2)
async def unexpected(story: Story) -> None:
    await _become(story, "misspelt", "bug")
