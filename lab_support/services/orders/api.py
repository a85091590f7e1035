"""Orders over HTTP: taken at once, decided later; the timeline tells how far, the reviews what needs a person.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "A person's queue"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from lab_support.pools.problems import problem
from lab_support.services.orders.desk import Desk, desk_of
from lab_support.services.orders.dtos import (
    DeliveryNoteUpdate,
    JournalPage,
    OrderAccepted,
    OrderCreate,
    OrderPage,
    OrderRead,
    PriceRead,
    ReviewDecision,
    ReviewRead,
    TimelineRead,
)
from lab_support.services.orders.errors import (
    IdempotencyKeyReusedError,
    InvalidOrderError,
    OrderLockedError,
    OrderNotFoundError,
    OrdersError,
    ReviewNotFoundError,
    ReviewResolvedError,
    UnknownSkuError,
)
from lab_support.services.orders.idempotency import KEY_PATTERN
from lab_support.services.orders.mapping import journal_page, order_page, order_read, price_read, review_read
from lab_support.services.orders.reading import OrderReader
from lab_support.services.problem_docs import problems
from lab_support.services.vocabulary import CustomerId

STATUS_OF: dict[type[OrdersError], HTTPStatus] = {
    OrderNotFoundError: HTTPStatus.NOT_FOUND,
    UnknownSkuError: HTTPStatus.NOT_FOUND,
    InvalidOrderError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    OrderLockedError: HTTPStatus.CONFLICT,
    ReviewNotFoundError: HTTPStatus.NOT_FOUND,
    ReviewResolvedError: HTTPStatus.CONFLICT,
}

router = APIRouter(tags=["orders"], responses=problems(422, 503, 504))


def desk(request: Request) -> Desk:
    """Give the endpoint the use cases of the application that serves the request."""
    return desk_of(request.app)


DeskOf = Annotated[Desk, Depends(desk)]
Whose = Annotated[CustomerId, Query(description="Whose orders.")]
AfterOrder = Annotated[UUID | None, Query(description="The `next` of the page before.")]
Orders = Annotated[int, Query(ge=1, le=100, description="Orders on the page.")]
Position = Annotated[int, Query(ge=0, le=2**62, description="The `next` of the page before; 0 begins.")]
Events = Annotated[int, Query(ge=1, le=1000, description="Events on the page.")]
Limit = Annotated[int, Query(ge=1, le=500, description="The most that are listed.")]
OpenOnly = Annotated[bool, Query(alias="open", description="Only what nobody has decided yet.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=KEY_PATTERN,
        description="Your name for this one order, such as a UUID. Sent again with the same order, it gets the first "
        "answer and orders nothing.",
    ),
]


@router.post("/orders", status_code=202, responses=problems(400, 404, 413))
async def place_order(
    order: OrderCreate, desk: DeskOf, response: Response, idempotency_key: IdempotencyKey = None
) -> OrderAccepted:
    """Take an order; whether it stands is decided later, and found at the answer's Location."""
    taken = await desk.orders.place_order(
        order.customer_id, order.pay_by, order.items, idempotency_key=idempotency_key
    )
    response.headers["Location"] = f"/orders/{taken.order_id}"
    return taken


@router.get("/orders", responses=problems(404))
async def list_orders(
    customer_id: Whose, desk: DeskOf, after: AfterOrder = None, limit: Orders = 20
) -> OrderPage:
    """List somebody's orders, newest first."""
    return order_page(await _reader(desk).orders_of(customer_id, after=after, limit=limit))


@router.get("/orders/journal")
async def read_journal(desk: DeskOf, after: Position = 0, limit: Events = 500) -> JournalPage:
    """List the events of all sagas, as they were noted; who keeps a read model of orders builds it anew from them."""
    return journal_page(await _reader(desk).journal(after=after, limit=limit), limit)


@router.get("/orders/reviews")
async def list_reviews(desk: DeskOf, open_only: OpenOnly = False, limit: Limit = 100) -> list[ReviewRead]:
    """List the compensations that failed for good, oldest first."""
    return [review_read(one) for one in await desk.reviews.listed(open_only=open_only, limit=limit)]


@router.post("/orders/reviews/{review_id}", responses=problems(400, 404, 409, 413))
async def resolve_review(review_id: UUID, decision: ReviewDecision, desk: DeskOf) -> ReviewRead:
    """Have a compensation tried again, or note that it was taken care of by hand; once for each review."""
    return review_read(await desk.reviews.resolve(review_id, decision.resolution, decision.note))


@router.get("/orders/{order_id}", responses=problems(404))
async def get_order(order_id: UUID, desk: DeskOf) -> OrderRead:
    """Show an order and where it is."""
    return order_read(await desk.orders.get(order_id))


@router.patch("/orders/{order_id}", responses=problems(400, 404, 409, 413))
async def annotate_order(order_id: UUID, update: DeliveryNoteUpdate, desk: DeskOf) -> OrderRead:
    """Change the delivery note, unless the saga still works on the order."""
    return order_read(await desk.orders.annotate(order_id, update.delivery_note))


@router.get("/orders/{order_id}/timeline", responses=problems(404))
async def get_timeline(order_id: UUID, desk: DeskOf) -> TimelineRead:
    """Tell the order's saga across all services, and why it is where it is."""
    return await desk.timeline(order_id)


@router.get("/prices")
async def list_prices(desk: DeskOf) -> list[PriceRead]:
    """List what is sold, and what a piece costs."""
    return [price_read(one) for one in await desk.orders.prices()]


def _reader(desk: Desk) -> OrderReader:
    return OrderReader(desk.orders.sessions)


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(OrdersError)
    async def refuse(_request: Request, error: OrdersError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        return problem(status, status.phrase, str(error))
