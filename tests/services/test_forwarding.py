"""The front: what passes, what does not, and what it says when a service is away."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from lab_support.services.forwarding import Forward, create_front, end_to_end

Answering = Callable[[httpx.Request], httpx.Response]


async def asked(
    answering: Answering, method: str = "GET", path: str = "/orders", **how: object
) -> httpx.Response:
    """Ask through a forward to a service that answers as the function says."""
    forward = Forward("orders", "http://inside:1", httpx.MockTransport(answering))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=forward), base_url="http://front"
    ) as client:
        return await client.request(method, path, **how)  # type: ignore[arg-type]


async def test_request_and_answer_pass_as_they_are() -> None:
    """Method, path as it was written, query, body and headers there; status, headers and body back."""
    seen: list[httpx.Request] = []

    async def service(request: httpx.Request) -> httpx.Response:
        await request.aread()
        seen.append(request)
        return httpx.Response(
            202, headers=[("Location", "/orders/1"), ("X-A", "1"), ("X-A", "2")], content=b"{}"
        )

    forward = Forward("orders", "http://inside:1", httpx.MockTransport(service))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=forward), base_url="http://front"
    ) as client:
        answer = await client.post(
            "/orders/a%2Fb?x=1&x=%20", content=b"body", headers={"Idempotency-Key": "k"}
        )

    [request] = seen
    assert (request.method, str(request.url)) == ("POST", "http://inside:1/orders/a%2Fb?x=1&x=%20")
    assert (request.content, request.headers["idempotency-key"]) == (b"body", "k")
    assert "transfer-encoding" not in request.headers
    assert (answer.status_code, answer.headers["location"], answer.content) == (202, "/orders/1", b"{}")
    assert answer.headers.get_list("x-a") == ["1", "2"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (httpx.ConnectError("refused"), 503),
        (httpx.ConnectTimeout("late"), 503),
        (httpx.PoolTimeout("full"), 503),
        (httpx.ReadTimeout("late"), 504),
        (httpx.ReadError("cut"), 502),
        (httpx.RemoteProtocolError("garbage"), 502),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_service_that_is_away_is_told_by_what_the_caller_may_do(error: Exception, status: int) -> None:
    """503: not arrived, send it again; 504 and 502: nobody knows what became of it."""

    def service(_request: httpx.Request) -> httpx.Response:
        raise error

    answer = await asked(service)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "'orders'" in answer.json()["detail"]


async def test_redirect_and_cookie_are_the_callers_own() -> None:
    """A redirect is handed back and not followed; a cookie of one caller is not sent with the next request."""
    cookies: list[str | None] = []

    def service(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("cookie"))
        return httpx.Response(307, headers={"Location": "http://elsewhere/", "Set-Cookie": "who=ada"})

    forward = Forward("orders", "http://inside:1", httpx.MockTransport(service))
    for _ in range(2):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=forward), base_url="http://front"
        ) as client:
            assert (await client.get("/orders")).status_code == 307
    assert cookies == [None, None]


async def test_answer_that_breaks_off_is_not_finished() -> None:
    """The caller's connection must break too: half an answer is no answer."""

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise httpx.ReadError("cut")

    sent: list[dict[str, object]] = []
    forward = Forward(
        "orders", "http://inside:1", httpx.MockTransport(lambda _request: httpx.Response(200, content=half()))
    )
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "headers": [],
    }

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    await forward(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]

    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"] is True


def test_headers_of_one_connection_stay_on_it() -> None:
    """Those that the standard names, and those that the Connection header names."""
    given = [(b"Connection", b"close, X-Mine"), (b"X-Mine", b"1"), (b"TE", b"x"), (b"X-Other", b"2")]

    assert end_to_end(given) == [(b"x-other", b"2")]


async def test_front_is_alive_without_its_services_and_not_ready() -> None:
    """It answers for itself, names who is missing, and refuses paths that nobody has."""
    front = create_front({"orders": "http://127.0.0.1:9"}, {"orders": ["/orders"]})
    async with (
        front.router.lifespan_context(front),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=front), base_url="http://front") as client,
    ):
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Not ready: orders.")
        assert (await client.get("/orders")).status_code == 503
        assert (await client.get("/ordersx")).status_code == 404
