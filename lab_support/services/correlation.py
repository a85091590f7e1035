"""One name for all that happens because of one request: taken from it or made, answered, passed on, and logged.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CORRELATION_HEADER: Final = "X-Correlation-ID"
LOG_FORMAT: Final = "%(levelname)s %(name)s [%(correlation_id)s]: %(message)s"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_IN_SCOPE = "lab_support.correlation_id"
_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def correlation_id() -> str | None:
    """Give the name of the request that is being answered; None outside of one."""
    return _current.get()


def correlation_headers() -> dict[str, str]:
    """Give the header for a call to another service; none outside of a request."""
    name = _current.get()
    return {} if name is None else {CORRELATION_HEADER: name}


class Correlation:
    """ASGI middleware that gives each request its name.

    A caller's name is kept when it is short and plain: it goes into logs and headers, where a line break would forge
    what is there. Any other is replaced. Applications within applications share the outermost one's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = scope.setdefault(_IN_SCOPE, _name_of(scope))

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CORRELATION_HEADER] = name
            await send(message)

        token = _current.set(name)
        try:
            await self.app(scope, receive, told)
        finally:
            _current.reset(token)


class CorrelationFilter(logging.Filter):
    """Gives each log record a `correlation_id`, "-" outside of a request; put it on a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Name the record; none is held back."""
        record.correlation_id = _current.get() or "-"
        return True


def log_with_correlation(level: int = logging.WARNING) -> logging.Handler:
    """Have what this package logs written to standard error, each line with its request's name.

    Returns:
        The handler, for whoever wants to take it away again.
    """
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.addFilter(CorrelationFilter())
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.getLogger("lab_support").addHandler(handler)
    return handler


def _name_of(scope: Scope) -> str:
    given = Headers(scope=scope).get(CORRELATION_HEADER, "")
    return given if _SANE.fullmatch(given) else uuid4().hex
