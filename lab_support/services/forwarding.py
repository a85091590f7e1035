"""One address for a shop of many processes: a request goes to the service that has its path, the answer comes back.

Nothing is composed, cached, retried or understood here; that is the gateway's work, and the caller's.

Section:
    13.9, "One command, many processes"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from lab_support.pools.problems import problem
from lab_support.services.correlation import correlation_headers
from lab_support.services.health import Health
from lab_support.services.own_paths import OwnPaths
from lab_support.services.problem_docs import problems
from lab_support.services.web import new_app

LIMITS: Final = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=2.0)
"""An idle connection is given up before the service closes it, after 5 s: else a request could meet the end."""

TIMEOUTS: Final = httpx.Timeout(connect=2.0, pool=5.0, read=60.0, write=60.0)
"""In seconds; the services have shorter limits of their own."""

READY_LIMIT_S: Final = 5.0
_HOP_BY_HOP: Final = frozenset(
    [
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)
"""What RFC 9110 (7.6.1) keeps to one connection."""
_OURS: Final = frozenset([b"date", b"server"])
"""What the server in front writes itself."""

Headers = list[tuple[bytes, bytes]]


class Forward:
    """An ASGI application that stands for a service somewhere else.

    Bodies pass in pieces, as they come. It works on the transport itself, without a client's cookies, redirects and
    proxies: nothing of one caller ever reaches another.

    Args:
        name: The service's, for error messages.
        address: Where it is, such as "http://127.0.0.1:8001".
        transport: Shared by all.
    """

    def __init__(self, name: str, address: str, transport: httpx.AsyncBaseTransport) -> None:
        self.name = name
        self._address, self._transport = httpx.URL(address), transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the service and hand its answer back."""
        request = self._request(Request(scope, receive))
        try:
            answer = await self._transport.handle_async_request(request)
        except ClientDisconnect:
            return
        except httpx.TransportError as error:
            await self._refusal(error)(scope, receive, send)
            return
        try:
            await _hand_back(answer, send)
        finally:
            await answer.aclose()

    def _request(self, asked: Request) -> httpx.Request:
        path = asked.scope.get("raw_path") or asked.scope["path"].encode()
        query = asked.scope["query_string"]
        headers = [
            one for one in end_to_end(asked.headers.raw) if one[0] not in (b"host", b"x-correlation-id")
        ]
        has_body = {"content-length", "transfer-encoding"} & set(asked.headers)
        return httpx.Request(
            asked.method,
            self._address.copy_with(raw_path=path + (b"?" + query if query else b"")),
            headers=[*headers, *((k.encode(), v.encode()) for k, v in correlation_headers().items())],
            content=asked.stream() if has_body else None,
            extensions={"timeout": TIMEOUTS.as_dict()},
        )

    def _refusal(self, error: httpx.TransportError) -> JSONResponse:
        """A request that has not arrived may be sent again; of any other nobody knows what became of it."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            detail = f"The service '{self.name}' can't be reached now; the request has not arrived there."
            return problem(503, detail=detail, headers={"Retry-After": "1"})
        if isinstance(error, httpx.TimeoutException):
            detail = f"The service '{self.name}' gave no answer in time; it may still do what was asked."
            return problem(504, detail=detail)
        detail = f"The service '{self.name}' broke off; it may have done what was asked."
        return problem(502, detail=detail)


async def _hand_back(answer: httpx.Response, send: Send) -> None:
    """Send an answer on in pieces; one that breaks off is left unfinished, so that the caller sees it."""
    headers = [one for one in end_to_end(answer.headers.raw) if one[0].lower() not in _OURS]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    stream: Any = answer.stream
    try:
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except httpx.TransportError:
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Leave out what concerns one connection alone, and whatever its `Connection` header names."""
    listed = [(name.lower(), value) for name, value in headers]
    named = {
        word.strip().lower() for name, value in listed if name == b"connection" for word in value.split(b",")
    }
    return [one for one in listed if one[0] not in _HOP_BY_HOP and one[0] not in named]


def create_front(addresses: Mapping[str, str], paths: Mapping[str, Iterable[str]]) -> FastAPI:
    """Build the application that gives many services one address.

    Args:
        addresses: Where each service is, by name.
        paths: What each of them answers.
    """
    transport = httpx.AsyncHTTPTransport(limits=LIMITS, trust_env=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with transport:
            yield

    front = new_app("The shop, in many processes", lifespan, documented_at="/front")

    @front.get("/healthz", tags=["health"])
    async def healthz() -> Health:
        """Answer "ok" as long as this process answers at all."""
        return Health()

    @front.get("/readyz", tags=["health"], response_model=Health, responses=problems(503))
    async def readyz() -> Health | JSONResponse:
        """Answer "ok" when each service has just said so of itself."""
        answers = await asyncio.gather(*(_ready(transport, address) for address in addresses.values()))
        missing = [name for name, ready in zip(addresses, answers, strict=True) if not ready]
        if not missing:
            return Health()
        return problem(503, detail=f"Not ready: {', '.join(missing)}.", headers={"Retry-After": "1"})

    for name, address in addresses.items():
        front.router.routes.append(OwnPaths(Forward(name, address, transport), tuple(paths[name])))
    return front


async def _ready(transport: httpx.AsyncBaseTransport, address: str) -> bool:
    request = httpx.Request("GET", f"{address}/readyz", extensions={"timeout": TIMEOUTS.as_dict()})
    try:
        async with asyncio.timeout(READY_LIMIT_S):
            answer = await transport.handle_async_request(request)
            await answer.aread()
            await answer.aclose()
    except (httpx.TransportError, TimeoutError):
        return False
    return answer.status_code == 200
