"""Sessions: one factory per engine, one session per request.

Section:
    13.1, "One session per request"
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from lab_support.database.sqlite import WRITES

_METHODS_THAT_ONLY_READ = frozenset({"GET", "HEAD", "OPTIONS"})


def session_factory(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Make the factory of an engine's sessions; what they loaded stays readable after a commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


def writing_session(sessions: async_sessionmaker[AsyncSession]) -> AsyncSession:
    """Open a session for work that writes.

    On SQLite its transactions begin with BEGIN IMMEDIATE: writers queue for at most `Timeouts.lock_s` seconds
    instead of failing at once when they turn from reading to writing. Other engines see no difference.
    """
    return sessions(execution_options=dict(WRITES))


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give one request its one session, and close it whatever happened.

    It neither commits nor hides an error: what the endpoint did not commit is rolled back. Requests that may
    write (POST, PUT, PATCH, DELETE) begin as writers on SQLite; GET and HEAD never wait for one.

    The factory is looked up in `request.app.state.sessions`, so a mounted application uses its own.

    Raises:
        RuntimeError: The application has no session factory.
    """
    sessions = sessions_of(request)
    reads = request.method in _METHODS_THAT_ONLY_READ
    async with sessions() if reads else writing_session(sessions) as session:
        yield session


def sessions_of(request: Request) -> async_sessionmaker[AsyncSession]:
    """Give the session factory of the application that serves a request, for work that opens units of work itself.

    Raises:
        RuntimeError: The application has none.
    """
    sessions: async_sessionmaker[AsyncSession] | None = getattr(request.app.state, "sessions", None)
    if sessions is None:
        raise RuntimeError(
            f"The application '{request.app.title}' has no session factory. In its lifespan set "
            "app.state.sessions = session_factory(engine), and see that the lifespan is run."
        )
    return sessions
