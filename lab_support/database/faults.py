"""Faults on order: after the k-th statement, at the commit or just after it, something goes wrong, once.

Section:
    13.4, "A failure at every statement"
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from lab_support.database.trace_events import kind_of

How = Literal["error", "cancel", "die"]
Place = int | Literal["at commit", "after commit"]


class InjectedError(Exception):
    """An error that nobody could have foreseen, raised in the middle of a transaction."""


class SimulatedDeath(BaseException):
    """The process is taken to be dead: its connection was cut, and nothing of it reaches the database any more."""


class Fault:
    """One fault: where it waits, and what became of it.

    Attributes:
        reached: The work came to the place, and the fault happened.
        statements: SQL statements executed so far on the engine, transaction borders not counted.
        surfaced: What happened left the `with` block, instead of being swallowed inside.
    """

    def __init__(self, place: Place, how: How, error: Exception) -> None:
        self.reached = False
        self.statements = 0
        self.surfaced = False
        self._place, self._how, self._error = place, how, error
        self._task: asyncio.Task[Any] | None = None

    @contextmanager
    def waiting(self, engine: Engine) -> Iterator[None]:
        """Lie in wait on an engine while the block runs."""
        commit = engine.dialect.do_commit  # no event tells that a commit has succeeded
        event.listen(engine, "before_cursor_execute", self._before_statement)
        event.listen(engine, "after_cursor_execute", self._after_statement)
        engine.dialect.do_commit = self._around(commit)  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            engine.dialect.do_commit = commit  # type: ignore[method-assign]
            event.remove(engine, "before_cursor_execute", self._before_statement)
            event.remove(engine, "after_cursor_execute", self._after_statement)

    def ends_here(self, raised: BaseException) -> bool:
        """Note what leaves the block; tell whether it stops there, because no caller is left to see it."""
        self.surfaced = self.reached and self._stands_behind(raised)
        return self.surfaced and self._how != "error"

    def settle(self) -> None:
        """Take back the request to cancel the task that goes on after the block."""
        if self._task is not None and self._task is asyncio.current_task():
            self._task.uncancel()

    def _before_statement(self, *_: Any) -> None:
        if self.reached and self._how == "die":
            raise SimulatedDeath("This process died at an injected fault; it can send nothing more.")

    def _after_statement(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if kind_of(statement) != "SQL":
            return
        self.statements += 1
        if self.statements == self._place:
            self._happen(connection.connection)

    def _around(self, commit: Callable[[Any], None]) -> Callable[[Any], None]:
        def do_commit(connection: Any) -> None:
            self._before_statement()
            if self._place == "at commit":
                self._happen(connection)
            commit(connection)
            if self._place == "after commit":
                self._happen(connection)

        return do_commit

    def _happen(self, connection: Any) -> None:
        if self.reached:
            return
        self.reached = True
        if self._how == "error":
            raise self._error
        if self._how == "die":
            _cut(connection.driver_connection)
            raise SimulatedDeath(f"This process died at an injected fault, {_words(self._place)}.")
        self._task = asyncio.current_task()
        if self._task is not None:
            self._task.cancel("an injected fault")
        await_only(asyncio.sleep(0))  # the cancellation arrives here

    def _stands_behind(self, raised: BaseException) -> bool:
        if self._how == "cancel":
            mine = self._task is asyncio.current_task()
            return mine and _is_behind(raised, lambda link: isinstance(link, asyncio.CancelledError))
        if self._how == "die":
            return _is_behind(raised, lambda link: isinstance(link, SimulatedDeath))
        return _is_behind(raised, lambda link: link is self._error)


@contextmanager
def fault(
    engine: AsyncEngine,
    *,
    after_statement: int | None = None,
    at_commit: bool = False,
    after_commit: bool = False,
    how: How = "error",
    error: Exception | None = None,
) -> Iterator[Fault]:
    """Let one thing go wrong on an engine while the block runs: the first time its place is reached.

    "error" raises `error` there, and it leaves the block. "cancel" cancels the task that is running there.
    "die" cuts the raw connection, so that no clean-up SQL reaches the database, and raises `SimulatedDeath`, which
    `except Exception` does not catch; until the block ends, the engine sends no statement and no commit for anybody.
    A cancellation of the block's own task and a death end at the block, for they have no caller: see `surfaced`.

    Args:
        engine: The engine whose connections are watched.
        after_statement: Fail after so many SQL statements have been executed, 1 or more; BEGIN and SAVEPOINT do
            not count.
        at_commit: Fail when the first COMMIT is about to be sent: nothing is kept.
        after_commit: Fail when the first COMMIT has succeeded, before its caller hears of it.
        how: What happens there.
        error: What "error" raises instead of an `InjectedError`; a transient one, to see a retry.

    Raises:
        ValueError: Not exactly one place is named, or `how` or `error` makes no sense.

    Section:
        13.4, "A failure at every statement"
    """
    place = _place(after_statement, at_commit=at_commit, after_commit=after_commit)
    if how not in get_args(How) or (error is not None and how != "error"):
        raise ValueError(
            f"how is {how!r}; use one of {get_args(How)}, and give an `error` with 'error' only."
        )
    injected = Fault(place, how, error or InjectedError(f"A fault was injected {_words(place)}."))
    with injected.waiting(engine.sync_engine):
        try:
            yield injected
        except BaseException as raised:
            if not injected.ends_here(raised):
                raise
        finally:
            injected.settle()


def _place(after_statement: int | None, *, at_commit: bool, after_commit: bool) -> Place:
    if (after_statement is not None) + at_commit + after_commit != 1:
        raise ValueError("Name one place: after_statement=k, at_commit=True or after_commit=True.")
    if after_statement is None:
        return "at commit" if at_commit else "after commit"
    if after_statement < 1:
        raise ValueError(f"after_statement is {after_statement}; statements are counted from 1.")
    return after_statement


def _words(place: Place) -> str:
    return f"after statement {place}" if isinstance(place, int) else place


def _cut(driver_connection: Any) -> None:
    """End a connection the way a dead process does: without a word to the server."""
    if hasattr(driver_connection, "terminate"):  # asyncpg
        driver_connection.terminate()
        return
    if type(driver_connection).__module__.startswith("aiosqlite"):
        # SQLite lives in this process: a cursor that somebody still holds would keep the lock that a death gives up.
        await_only(driver_connection.rollback())
    closing = (
        driver_connection.close()
    )  # aiomysql drops its socket; aiosqlite closes its files, in its thread
    if closing is not None:
        await_only(closing)


def _is_behind(raised: BaseException, matches: Callable[[BaseException], bool]) -> bool:
    waiting, seen = [raised], set[int]()
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        if matches(link):
            return True
        waiting += [one for one in (link.__cause__, link.__context__) if one is not None]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions
    return False
