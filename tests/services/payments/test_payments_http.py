"""Payments over HTTP: looked at, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from lab_support.services import running_app
from lab_support.services.payments import api
from lab_support.services.payments.entities import PaymentsBase
from lab_support.services.payments.simulated_provider import Outcome, SimulatedProvider
from lab_support.services.relational import owns_database
from lab_support.services.web import new_app
from lab_support.settings import Settings
from tests.services.payments.paying import Till, event


@pytest.fixture
async def app(tmp_path: Path) -> FastAPI:
    built = new_app("Payments", owns_database("payments", PaymentsBase.metadata, Settings(data=tmp_path)))
    built.include_router(api.router)
    api.install_errors(built)
    return built


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(app=app) as client:
        yield client


@pytest.fixture
def engine(app: FastAPI, client: httpx.AsyncClient) -> AsyncEngine:
    engine: AsyncEngine = app.state.engine
    return engine


async def shown(client: httpx.AsyncClient, order_id: UUID) -> dict[str, object]:
    answer = await client.get(f"/payments/{order_id}")
    assert answer.status_code == 200
    return dict(answer.json())


async def test_payment_shows_what_became_of_it(client: httpx.AsyncClient, till: Till) -> None:
    """Money is text, times have a zone, and the refund appears when there is one."""
    order_id = uuid4()
    await till.hears(event("CustomerVerified", order_id))
    assert (await shown(client, order_id))["status"] == "REQUESTED"

    await till.works_until_idle()
    paid = await shown(client, order_id)
    assert (paid["status"], paid["amount"], paid["attempts"], paid["refund"]) == ("CHARGED", "49.80", 1, None)
    assert str(paid["created_at"]).endswith("Z")

    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()
    refunded = await shown(client, order_id)
    assert refunded["status"] == "REFUNDED"
    assert refunded["refund"] == {"status": "DONE", "attempts": 1, "last_reason": None}


async def test_refund_in_review_is_visible(
    client: httpx.AsyncClient, till: Till, provider: SimulatedProvider
) -> None:
    """Whoever looks sees that the money is still with the shop, and why."""
    order_id = uuid4()
    await provider.script("ada", Outcome.REFUSE, call="refund")
    await till.hears(event("CustomerVerified", order_id))
    await till.works_until_idle()
    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()

    payment = await shown(client, order_id)
    assert payment["status"] == "CHARGED"
    assert payment["refund"] == {"status": "REQUIRES_REVIEW", "attempts": 1, "last_reason": "REFUND_REFUSED"}


async def test_tombstone_can_be_shown(client: httpx.AsyncClient, till: Till) -> None:
    """An order that was cancelled before it was to be paid has neither customer nor amount here."""
    order_id = uuid4()
    await till.hears(event("OrderFailed", order_id))
    await till.works_until_idle()

    payment = await shown(client, order_id)
    assert (payment["status"], payment["customer_id"], payment["amount"]) == ("CANCELLED", None, None)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        (f"/payments/{UUID(int=7)}", "GET", 404),
        ("/payments/7", "GET", 422),
        ("/payments/%00", "GET", 422),
        (f"/payments/{UUID(int=7)}", "DELETE", 405),
        ("/payments", "GET", 422),
    ],
    ids=["unknown", "no-uuid", "nul", "delete", "bare"],
)
async def test_bad_request_gets_a_problem_document(
    client: httpx.AsyncClient, path: str, method: str, status: int
) -> None:
    """Each refusal is the caller's fault and says so in one format."""
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
