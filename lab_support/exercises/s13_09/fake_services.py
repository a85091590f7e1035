"""Services that answer late, wrongly, or never, behind real httpx clients.

Section:
    13.9, "API composition"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

DRIP_S = 0.05


class Calls:
    """How many calls are open now, and how many were at most."""

    def __init__(self) -> None:
        self.open = 0
        self.most = 0

    def begin(self) -> None:
        """Count one more."""
        self.open += 1
        self.most = max(self.most, self.open)

    def end(self) -> None:
        """Count one less."""
        self.open -= 1


class _Body(httpx.AsyncByteStream):
    """A body that comes at once, or a byte at a time for ever; its end is the call's end."""

    def __init__(self, calls: Calls, content: bytes, *, for_ever: bool) -> None:
        self._calls, self._content, self._for_ever, self._closed = calls, content, for_ever, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        while self._for_ever:
            await asyncio.sleep(DRIP_S)
            yield b" "

    async def aclose(self) -> None:
        """End the call, once."""
        if not self._closed:
            self._closed = True
            self._calls.end()


class FakeService(httpx.AsyncBaseTransport):
    """One service: it answers `path` as `behaviour` says, and counts its calls.

    Args:
        calls: Shared by all services of a scenario.
        path: The one path it knows; others are 404.
        behaviour: `how` is "answers", "refuses", "hangs" or "drips"; `after_s` in seconds, `status` and `body`.
    """

    def __init__(self, calls: Calls, path: str, behaviour: Mapping[str, Any]) -> None:
        self._calls, self._path, self._does = calls, path, behaviour

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after the behaviour's time, unless the client's read timeout is shorter."""
        self._calls.begin()
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("read")):
                await self._wait()
        except TimeoutError:
            self._calls.end()
            raise httpx.ReadTimeout("No answer in time.", request=request) from None
        except BaseException:
            self._calls.end()
            raise
        if self._does["how"] == "refuses":
            self._calls.end()
            raise httpx.ConnectError("Connection refused.", request=request)
        known = request.method == "GET" and request.url.path == self._path
        status, content = (self._does["status"], self._does["body"]) if known else (404, "{}")
        body = _Body(self._calls, content.encode(), for_ever=self._does["how"] == "drips")
        return httpx.Response(status, headers={"content-type": "application/json"}, stream=body)

    async def _wait(self) -> None:
        await asyncio.sleep(self._does["after_s"])
        if self._does["how"] == "hangs":
            await asyncio.get_running_loop().create_future()
