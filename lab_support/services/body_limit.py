"""A limit on the size of request bodies, whose refusal is a problem document like every other error.

FastAPI's own `max_body_size` answers in plain text, which no exception handler can change.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab_support.pools.problems import problem

MAX_BODY_BYTES = 64 * 1024
_TOO_LARGE = f"A body may have {MAX_BODY_BYTES} bytes at most. Send less."


class BodyLimit:
    """ASGI middleware that answers 413 to a body that is, or says it is, too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _announced(scope) > MAX_BODY_BYTES:
            await problem(413, detail=_TOO_LARGE)(scope, receive, send)
        else:
            await self.app(scope, _counting(receive), send)


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length[:20]) if length.isdecimal() else 0


def _counting(receive: Receive) -> Receive:
    """Wrap `receive` so that a body without a Content-Length is stopped where it becomes too large.

    Raises:
        HTTPException: With status 413; the application's handler turns it into a problem document.
    """
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return counted
