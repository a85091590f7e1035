"""The student's side of a check: their objects, a database to use, and instruments installed beforehand.

Section:
    All sections. Acts run here; in class grading this is the limited child process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import Pool
from starlette.types import Receive, Scope, Send

from lab_support.database import Trace, build_engine, session_factory, trace_sql
from lab_support.exercises.model import Load
from lab_support.pools import PoolSettings, Timeouts

if TYPE_CHECKING:
    import httpx

    from lab_support.documents.types import Client, Database

WAIT_FOR_A_CONNECTION_S = 2.0
USUAL = Load()


class OnPurposeError(Exception):
    """Raised by an act in the middle of the student's code, to see what it does about an error."""


class Attempt:
    """What an act may use: `the(name)`, `engine`, `sessions`, `trace`, `client(app)`, and `documents` on MongoDB.

    The engine's pool holds as many connections as the scenario's load says, five as a rule, and waits at most two
    seconds for one, so that a leak shows at once.
    """

    def __init__(
        self,
        objects: Mapping[str, object],
        engine: AsyncEngine,
        trace: Trace,
        documents_url: str | None = None,
    ) -> None:
        self._objects = objects
        self._mongo: Client | None = None
        self.documents_url = documents_url
        self.engine = engine
        self.trace = trace
        self.unhandled: list[BaseException] = []
        self.sessions: async_sessionmaker[AsyncSession] = session_factory(engine)

    def the(self, name: str) -> Any:
        """Return the student's object of that name."""
        return self._objects[name]

    @property
    def documents(self) -> Database:
        """The scenario's database of documents, through Motor.

        Raises:
            RuntimeError: The scenario does not say `on="mongodb"`.
        """
        if self.documents_url is None:
            raise RuntimeError(
                'There are no documents in this scenario. Say on="mongodb" where it is declared.'
            )
        if self._mongo is None:
            from lab_support.documents.client import make_client
            from lab_support.exercises.commands_sent import CommandsSent

            wait_ms = int(WAIT_FOR_A_CONNECTION_S * 1000)
            self._mongo = make_client(
                self.documents_url,
                serverSelectionTimeoutMS=wait_ms,
                event_listeners=[CommandsSent(self.trace)],
            )
        database: Database = self._mongo.get_default_database()
        return database

    def close(self) -> None:
        """Close the client of the documents, if one was made."""
        if self._mongo is not None:
            self._mongo.close()

    @property
    def checked_out(self) -> int:
        """Connections of the engine's pool that are in use now."""
        return int(self.engine.pool.checkedout())  # type: ignore[attr-defined]

    @asynccontextmanager
    async def client(self, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
        """Yield a client that calls `app` in this process; an unhandled error becomes a 500, and is remembered."""
        import httpx  # here, for it takes longer to import than the rest of this package

        async def remembering(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except Exception as error:
                if not isinstance(error, OnPurposeError):
                    self.unhandled.append(error)
                raise

        transport = httpx.ASGITransport(app=remembering, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            yield client


class OpenConnections:
    """Every driver connection opened while it listens, on any engine: so that none outlives the check."""

    def __init__(self) -> None:
        self._connections: list[Any] = []

    def __enter__(self) -> OpenConnections:
        """Begin to listen."""
        event.listen(Pool, "connect", self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        event.remove(Pool, "connect", self._remember)

    @property
    def count(self) -> int:
        """How many have been opened."""
        return len(self._connections)

    def _remember(self, dbapi_connection: Any, _record: object) -> None:
        self._connections.append(dbapi_connection)

    def cut(self) -> None:
        """End whatever runs on the connections, now: interrupt SQLite, cut the others' sockets."""
        for connection in self._connections:
            driver = getattr(connection, "driver_connection", connection)
            with suppress(Exception):
                if hasattr(driver, "terminate"):  # asyncpg
                    driver.terminate()
                elif getattr(driver, "_conn", None) is not None:  # aiosqlite
                    driver._conn.interrupt()  # noqa: SLF001 - its own waits for the thread


def engine_under(load: Load, url: str) -> AsyncEngine:
    """Build the student's engine as a scenario's load wants it."""
    wait_s = max(WAIT_FOR_A_CONNECTION_S, load.lock_s)
    pool = PoolSettings(size=load.connections, max_overflow=0, timeout_s=wait_s)
    return build_engine(url, pool=pool, timeouts=Timeouts(lock_s=load.lock_s))


@asynccontextmanager
async def attempt_on(
    url: str, objects: Mapping[str, object], load: Load = USUAL, documents_url: str | None = None
) -> AsyncIterator[Attempt]:
    """Open the student's side on one database, instruments first, and close it without waiting for stragglers."""
    engine = engine_under(load, url)
    try:
        with trace_sql(engine) as trace:
            attempt = Attempt(objects, engine, trace, documents_url)
            try:
                yield attempt
            finally:
                await _cancel_stragglers()
                attempt.close()
    finally:
        await engine.dispose()


async def _cancel_stragglers() -> None:
    """Cancel the tasks that the student's code left running on this loop."""
    me = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not me]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=1.0)
