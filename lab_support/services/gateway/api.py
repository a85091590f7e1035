"""The gateway over HTTP: views put together from several services, and how it gets on with them.

Section:
    13.9, "API composition" and "CQRS: a read model fed by events"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse

from lab_support.pools.problems import problem
from lab_support.services.gateway.dtos import (
    CircuitRead,
    OrderView,
    OrderViewPage,
    SummaryAnswer,
    SummaryPage,
)
from lab_support.services.gateway.errors import (
    GatewayError,
    OrdersTooSlowError,
    OrdersUnavailableError,
    OrderUnknownError,
    SummaryNotFoundError,
)
from lab_support.services.gateway.service import Gateway
from lab_support.services.problem_docs import problems
from lab_support.services.vocabulary import CustomerId

STATUS_OF: Final[dict[type[GatewayError], HTTPStatus]] = {
    OrderUnknownError: HTTPStatus.NOT_FOUND,
    OrdersUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    OrdersTooSlowError: HTTPStatus.GATEWAY_TIMEOUT,
    SummaryNotFoundError: HTTPStatus.NOT_FOUND,
}
_RETRY_AFTER: Final = {"Retry-After": "1"}

router = APIRouter(prefix="/shop", tags=["shop"], responses=problems(422, 503, 504))


def gateway(request: Request) -> Gateway:
    """Give the endpoint the use cases of the application that serves the request."""
    found: Gateway = request.app.state.gateway
    return found


GatewayOf = Annotated[Gateway, Depends(gateway)]
Whose = Annotated[CustomerId, Query(description="Whose orders.")]
After = Annotated[UUID | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=50, description="Orders on the page.")]


@router.get("/orders/{order_id}", responses=problems(404))
async def show_order(order_id: UUID, shop: GatewayOf) -> OrderView:
    """Show an order with its buyer, payment, stock and products; what can't be had in time is in `missing`."""
    return await shop.order(order_id)


@router.get("/orders", responses=problems(404))
async def list_orders(
    customer_id: Whose, shop: GatewayOf, after: After = None, limit: Limit = 20
) -> OrderViewPage:
    """List somebody's orders, newest first, each with its payment and its reservation."""
    return await shop.orders_of(customer_id, after=after, limit=limit)


@router.get("/summaries", responses=problems(404))
async def list_summaries(
    customer_id: Whose, shop: GatewayOf, after: After = None, limit: Limit = 20
) -> SummaryPage:
    """List somebody's orders from the read model, newest first; `as_of` says up to when it has heard."""
    return await shop.summaries_of(customer_id, after=after, limit=limit)


@router.get("/summaries/{order_id}", responses=problems(404))
async def show_summary(order_id: UUID, shop: GatewayOf) -> SummaryAnswer:
    """Show an order from the read model; `as_of` says up to when it has heard."""
    return await shop.summary(order_id)


@router.get("/circuits")
async def show_circuits(shop: GatewayOf) -> list[CircuitRead]:
    """Tell for each service whether it is asked, left alone for a while, or tried by one call."""
    return shop.circuits()


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(GatewayError)
    async def refuse(_request: Request, error: GatewayError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        headers = _RETRY_AFTER if status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return problem(status, status.phrase, str(error), headers=headers)
