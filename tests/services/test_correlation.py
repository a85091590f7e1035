"""One name for all that happens because of one request: in answers, in calls to others, in logs."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from fastapi import APIRouter

from lab_support.services import create_app, running_app
from lab_support.services.correlation import (
    CORRELATION_HEADER,
    CorrelationFilter,
    correlation_id,
    log_with_correlation,
)
from lab_support.services.gateway.composing import Composer
from lab_support.services.web import new_app
from lab_support.settings import Settings
from tests.services.gateway.neighbourhood import ORDER, Shop

PLAIN = "trace-1.A_b"
_log = logging.getLogger("lab_support.of_this_test")


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A service within an application, as in the shop; its one route tells the name and logs."""
    router = APIRouter()

    @router.get("/name")
    async def name() -> str | None:
        await asyncio.sleep(0)
        _log.warning("here")
        return correlation_id()

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    inner, outer = new_app("inner", None), new_app("outer", None)  # type: ignore[arg-type]
    inner.include_router(router)
    outer.mount("/", inner)
    transport = httpx.ASGITransport(outer, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield client


async def test_callers_name_is_kept_and_answered(client: httpx.AsyncClient) -> None:
    """Through the application and the one within it, once."""
    answer = await client.get("/name", headers={CORRELATION_HEADER: PLAIN})

    assert answer.json() == PLAIN
    assert answer.headers.get_list(CORRELATION_HEADER) == [PLAIN]


async def test_request_without_a_name_gets_one_of_its_own(client: httpx.AsyncClient) -> None:
    """The same inside and in the answer, and another one each time."""
    first, second = await client.get("/name"), await client.get("/name")

    assert first.json() == first.headers[CORRELATION_HEADER]
    assert first.json() != second.json()


@pytest.mark.parametrize(
    "hostile",
    [b"", b"a b", b"a\tb", b"x" * 65, b"<script>", b"\xff\xfe", b"a;b", "名".encode(), b"a\\nWARNING forged"],
)
async def test_name_that_could_forge_a_log_is_replaced(client: httpx.AsyncClient, hostile: bytes) -> None:
    """It reaches neither the answer nor the inside."""
    answer = await client.get("/name", headers=[(CORRELATION_HEADER.encode(), hostile)])

    assert answer.status_code == 200
    assert len(answer.json()) == 32
    assert answer.headers[CORRELATION_HEADER] == answer.json()


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/broken", 500)])
async def test_errors_are_named_too(client: httpx.AsyncClient, path: str, status: int) -> None:
    """Above all they: somebody will look for them in the log."""
    answer = await client.get(path, headers={CORRELATION_HEADER: PLAIN})

    assert answer.status_code == status
    assert answer.headers[CORRELATION_HEADER] == PLAIN


async def test_requests_at_once_keep_their_names_apart(client: httpx.AsyncClient) -> None:
    """Each task has its own context."""
    names = [f"request-{number}" for number in range(20)]
    answers = await asyncio.gather(*(client.get("/name", headers={CORRELATION_HEADER: one}) for one in names))

    assert [one.json() for one in answers] == names
    assert correlation_id() is None


async def test_log_lines_bear_the_name(client: httpx.AsyncClient) -> None:
    """What this package logs within a request says which; outside of one there is a dash."""
    handler = log_with_correlation()
    written = io.StringIO()
    handler.setStream(written)  # type: ignore[attr-defined]
    try:
        await client.get("/name", headers={CORRELATION_HEADER: PLAIN})
        _log.warning("outside")
    finally:
        logging.getLogger("lab_support").removeHandler(handler)

    assert written.getvalue().splitlines() == [
        f"WARNING lab_support.of_this_test [{PLAIN}]: here",
        "WARNING lab_support.of_this_test [-]: outside",
    ]


def test_filter_holds_nothing_back() -> None:
    """It adds to records, and decides about none."""
    assert CorrelationFilter().filter(logging.makeLogRecord({})) is True


async def test_gateway_passes_the_name_on_to_everybody() -> None:
    """Six calls, one name: what five services log about one request can be found."""
    app, around = create_app(Settings(), only=("gateway",)), Shop()
    async with running_app(app=app) as client:
        state = app.state.services["gateway"].state
        state.gateway = replace(state.gateway, composer=Composer(neighbours=around.neighbours))
        await client.get(f"/shop/orders/{ORDER}", headers={CORRELATION_HEADER: PLAIN})

    assert len(around.asked) == 6
    assert {one.headers[CORRELATION_HEADER] for one in around.asked} == {PLAIN}
