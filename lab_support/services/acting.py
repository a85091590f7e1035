"""On whose behalf code runs: the name of a service, carried along by the context of its tasks.

One process may run many services. What they share (a bus, a thread pool, an event loop) can then still tell which of
them asks.

Section:
    13.9, "Who opened what"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from lab_support.messaging import BatchHandler, Event, Handler

P = ParamSpec("P")
T = TypeVar("T")
_acting: ContextVar[str | None] = ContextVar("acting_service", default=None)


def acting_service() -> str | None:
    """Name the service for which this code runs; None when it runs for none, as a test or a lesson does."""
    return _acting.get()


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Run a block for a service. Tasks that begin in it keep the name for their whole life.

    Don't `yield` inside the block: the name would go to whoever runs meanwhile.
    """
    token = _acting.set(name)
    try:
        yield
    finally:
        _acting.reset(token)


def as_service(name: str, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Give a function that does the same for a service: a handler on a shared bus, a chore of a shared worker."""

    @wraps(function)
    async def acting(*arguments: P.args, **named: P.kwargs) -> T:
        with acting_as(name):
            return await function(*arguments, **named)

    return acting


def handler_of(name: str, handler: Handler) -> Handler:
    """Give a handler for a shared bus that works for a service, on one event or, if it can, on several."""
    return _BatchesOf(name, handler) if isinstance(handler, BatchHandler) else as_service(name, handler)


class _BatchesOf(BatchHandler):
    def __init__(self, name: str, handler: BatchHandler) -> None:
        self._name, self._handler = name, handler

    async def __call__(self, event: Event) -> None:
        with acting_as(self._name):
            await self._handler(event)

    async def handle_batch(self, events: Sequence[Event]) -> None:
        with acting_as(self._name):
            await self._handler.handle_batch(events)


class ActsAs:
    """Middleware: whatever the application does for a request, it does as the service of this name."""

    def __init__(self, app: ASGIApp, *, name: str) -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the service."""
        with acting_as(self.name):
            await self.app(scope, receive, send)
