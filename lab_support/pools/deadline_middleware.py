"""Where a request's deadline comes from: its header, or else this application's own limit.

Section:
    13.10, "A deadline handed down the calls"
"""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab_support.pools.deadlines import DEADLINE_HEADER, DeadlineExceededError, deadline
from lab_support.pools.problems import deadline_exceeded, problem

LONGEST_S: Final = 60.0
"""What a request gets that says nothing, and the most that one can ask for, in seconds."""

_MILLISECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class DeadlineMiddleware:
    """ASGI middleware that gives each request a deadline, and answers 504 when it is over.

    An answer that has begun can't become a 504: its connection is cut, so that nobody takes it for a whole one.

    A header that can't be read is answered with 400 and not ignored: its sender would believe that it is kept. More
    time than this application gives is no error; there is merely no more.
    """

    def __init__(self, app: ASGIApp, longest_s: float = LONGEST_S) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            longest_s: The most time that a request gets, in seconds, above 0.

        Raises:
            ValueError: The limit is not above zero.
        """
        if not longest_s > 0:
            raise ValueError(f"A request's longest time is {longest_s}; give a number of seconds above 0.")
        self.app = app
        self.longest_s = longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked_s = _asked(Headers(scope=scope).getlist(DEADLINE_HEADER))
        if asked_s is None:
            refusal = problem(
                400,
                detail=f"Give {DEADLINE_HEADER} once, as a whole number of milliseconds, or leave it out.",
            )
            await refusal(scope, receive, send)
            return
        await self._answer_in_time(min(asked_s, self.longest_s), scope, receive, send)

    async def _answer_in_time(self, seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with deadline(seconds):
                await self.app(scope, receive, watched)
        except DeadlineExceededError:
            if begun:
                raise
            await deadline_exceeded()(scope, receive, send)


def _asked(values: list[str]) -> float | None:
    """Return the seconds that a request asks for, infinite when it asks for none; None when it makes no sense."""
    if not values:
        return float("inf")
    if len(values) > 1 or not _MILLISECONDS.fullmatch(values[0]):
        return None
    return int(values[0]) / 1000
