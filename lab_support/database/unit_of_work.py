"""The unit of work: one transaction, ended by one explicit commit, and what is to be announced with it.

Section:
    13.4, "The unit of work: who owns the commit?"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from lab_support.database.sqlite import WRITES

Hook = Callable[["UnitOfWork"], Awaitable[None]]


class UnitOfWork:
    """One business change: its rows, and the events that tell others about it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._announced: list[Any] = []
        self._before_commit: list[Hook] = []

    @property
    def session(self) -> AsyncSession:
        """The session that repositories share; its transaction begins at the first statement."""
        return self._session

    @property
    def announced(self) -> list[Any]:
        """A copy of the events announced since the last commit or rollback, oldest first."""
        return list(self._announced)

    def announce(self, event: Any) -> None:
        """Remember an event; a `before_commit` hook may store it with the rows it speaks of."""
        self._announced.append(event)

    def before_commit(self, hook: Hook) -> None:
        """Have a coroutine function called at each commit, within the transaction and before its COMMIT."""
        self._before_commit.append(hook)

    async def flush(self) -> None:
        """Send the pending changes without keeping them: ids are given, constraints speak."""
        await self._session.flush()

    async def commit(self) -> None:
        """Run the hooks, in their order, and keep everything; when any of it fails, keep nothing.

        Raises:
            sqlalchemy.exc.DBAPIError: A flush or the COMMIT failed.
            Exception: Whatever a hook raised.
        """
        try:
            for hook in self._before_commit:  # a hook may add another one, or announce
                await hook(self)
            await self._session.commit()
        except BaseException:
            await self.rollback()
            raise
        self._announced.clear()

    async def rollback(self) -> None:
        """Drop every change and every announced event; the unit of work can then be used again."""
        self._announced.clear()
        await self._session.rollback()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Keep what came before when the block fails: its changes and its events go, and its error comes out."""
        already = len(self._announced)
        try:
            async with self._session.begin_nested():
                yield
        except BaseException:
            del self._announced[already:]
            raise


@asynccontextmanager
async def unit_of_work(
    sessions: async_sessionmaker[AsyncSession], *, isolation: str | None = None
) -> AsyncIterator[UnitOfWork]:
    """Open one unit of work; whatever `commit` has not kept is rolled back on exit.

    Nothing is sent before its first statement. On SQLite it begins with BEGIN IMMEDIATE, as a writer.

    Args:
        sessions: A factory of sessions on one engine.
        isolation: The level of this unit of work alone, in SQL's words; None leaves the engine's own. The next
            user of the pooled connection does not inherit it.

    Raises:
        ValueError: The isolation is AUTOCOMMIT, which is no transaction.
        sqlalchemy.exc.ArgumentError: This engine has no such level; comes from the first statement.
        sqlalchemy.exc.TimeoutError: The pool had no free connection in time; comes from the first statement.

    Section:
        13.4, "The unit of work: who owns the commit?"
    """
    # closed for good on exit: a unit of work kept too long fails instead of taking another connection
    async with sessions(execution_options=_options(sessions, isolation), close_resets_only=False) as session:
        yield UnitOfWork(session)


def _options(sessions: async_sessionmaker[AsyncSession], isolation: str | None) -> dict[str, Any]:
    options = {**sessions.kw.get("execution_options", {}), **WRITES}
    if isolation is None:
        return options
    if isolation.upper().replace(" ", "") == "AUTOCOMMIT":
        raise ValueError(
            "A unit of work cannot run in AUTOCOMMIT: every statement would be kept at once. "
            "Name a level such as SERIALIZABLE, or leave `isolation` out."
        )
    return {**options, "isolation_level": isolation.upper()}
