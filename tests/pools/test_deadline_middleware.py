"""Deadlines over HTTP: from the header or from the application, kept, and told as 504."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from lab_support.pools import DeadlineExceededError, install_infrastructure_errors, remaining, within_deadline
from lab_support.pools.deadline_middleware import DeadlineMiddleware
from lab_support.pools.deadlines import DEADLINE_HEADER


def new_app(longest_s: float = 60.0) -> FastAPI:
    app = FastAPI()
    install_infrastructure_errors(app)
    app.add_middleware(DeadlineMiddleware, longest_s=longest_s)
    app.state.calls, app.state.cancelled = 0, False

    @app.get("/left")
    async def left() -> float:
        app.state.calls += 1
        return remaining()

    @app.get("/hang")
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            app.state.cancelled = True
            raise

    @app.get("/too-late")
    async def too_late() -> None:
        raise DeadlineExceededError

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            await asyncio.Event().wait()

        return StreamingResponse(parts())

    return app


async def ask(app: FastAPI, path: str, **headers: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        return await client.get(path, **headers)


async def test_header_gives_the_request_its_time() -> None:
    """In milliseconds."""
    answer = await ask(new_app(), "/left", headers={DEADLINE_HEADER: "45000"})

    assert 30 < answer.json() <= 45


@pytest.mark.parametrize("headers", [{}, {DEADLINE_HEADER: "90000"}, {DEADLINE_HEADER: "999999999999"}])
async def test_nobody_gets_more_than_the_application_gives(headers: dict[str, str]) -> None:
    """Not by asking for much, nor by asking for nothing."""
    answer = await ask(new_app(60), "/left", headers=headers)

    assert 45 < answer.json() <= 60


async def test_hanging_request_is_cancelled_and_504() -> None:
    """The work ends, and its caller is told."""
    app = new_app()
    answer = await ask(app, "/hang", headers={DEADLINE_HEADER: "20"})

    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Deadline exceeded"
    assert app.state.cancelled


async def test_application_s_own_limit_ends_a_request_too() -> None:
    """Without any header."""
    assert (await ask(new_app(0.02), "/hang")).status_code == 504


async def test_request_without_time_is_not_begun() -> None:
    """A caller that has no time left has gone."""
    app = new_app()
    answer = await ask(app, "/left", headers={DEADLINE_HEADER: "0"})

    assert (answer.status_code, app.state.calls) == (504, 0)


async def test_deadline_found_passed_inside_is_the_same_504() -> None:
    """Whoever notices first."""
    answer = await ask(new_app(), "/too-late")

    assert (answer.status_code, answer.json()["title"]) == (504, "Deadline exceeded")


@pytest.mark.parametrize(
    "value", ["", "soon", "1.5", "-1", "+5", "1e3", "0x10", " 7 7", "9" * 13, "9" * 5000, "५", "nan", "inf"]
)
async def test_header_that_makes_no_sense_is_400(value: str) -> None:
    """Its sender would believe that it is kept; the value is not repeated."""
    app = new_app()
    answer = await ask(app, "/left", headers={DEADLINE_HEADER: value.encode()})

    assert (answer.status_code, app.state.calls) == (400, 0)
    assert answer.json()["detail"] == (
        "Give Request-Timeout-Ms once, as a whole number of milliseconds, or leave it out."
    )


async def test_header_given_twice_is_400() -> None:
    """Which of them would count?"""
    answer = await ask(new_app(), "/left", headers=[(DEADLINE_HEADER, "5"), (DEADLINE_HEADER, "50000")])

    assert answer.status_code == 400


async def test_answer_that_has_begun_is_cut_off() -> None:
    """Nobody takes half an answer for a whole one: the server sees an error and closes the connection."""
    transport = httpx.ASGITransport(new_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        with pytest.raises(DeadlineExceededError):
            await client.get("/stream", headers={DEADLINE_HEADER: "50"})


async def test_limit_inside_is_shortened() -> None:
    """What an endpoint gives a statement is never more than what it has."""
    app = new_app()

    @app.get("/limit")
    async def limit() -> float:
        return within_deadline(30)

    assert (await ask(app, "/limit", headers={DEADLINE_HEADER: "9000"})).json() <= 9


@pytest.mark.parametrize("longest_s", [0, -1, float("nan")])
def test_application_that_gives_no_time_is_refused(longest_s: float) -> None:
    """It could answer nothing."""
    with pytest.raises(ValueError, match="seconds above 0"):
        DeadlineMiddleware(FastAPI(), longest_s)
