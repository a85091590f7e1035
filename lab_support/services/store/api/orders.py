"""Orders over HTTP: placed once, and read.

Section:
    13.2, "Answers made of several tables"; 13.4, "A use case: book seats"
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from lab_support.services.problem_docs import problems
from lab_support.services.store.api.dependencies import order_book, order_service
from lab_support.services.store.cursors import cursor_after, id_of
from lab_support.services.store.dtos import OrderCreate, OrderDetail, OrderPage
from lab_support.services.store.idempotency import KEY_PATTERN
from lab_support.services.store.mapping import order_detail
from lab_support.services.store.ordering import OrderService
from lab_support.services.store.repository import OrderSearch
from lab_support.services.store.service import OrderBook

router = APIRouter(prefix="/orders", tags=["orders"])

OrderId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="As given by the store.")]
UserId = Annotated[int, Query(ge=-(2**63), lt=2**63, description="Whose orders.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Orders on the page.")]
After = Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=KEY_PATTERN,
        description="Your name for this one order, such as a UUID. Sent again with the same order, it gets the first "
        "answer and orders nothing.",
    ),
]


@router.post("", status_code=201, responses=problems(400, 402, 404, 409, 413))
async def place_order(
    order: OrderCreate,
    orders: Annotated[OrderService, Depends(order_service)],
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> OrderDetail:
    """Order products at their prices of now, paid from the user's account; the answer's Location is its address."""
    lines = [(line.product_id, line.quantity) for line in order.items]
    placed = await orders.place_order(order.user_id, lines, idempotency_key=idempotency_key)
    response.headers["Location"] = f"{request.url.path}/{placed.order_id}"
    return placed


@router.get("", responses=problems(400))
async def list_orders(
    user_id: UserId,
    orders: Annotated[OrderBook, Depends(order_book)],
    after: After = None,
    limit: Limit = 20,
) -> OrderPage:
    """List a user's orders, oldest first; `next` leads to the page that follows."""
    search = OrderSearch(user_id=user_id)
    last_seen = None if after is None else id_of(after, search)
    page = await orders.browse(search, after=last_seen, limit=limit)
    return OrderPage(
        items=[order_detail(order) for order in page.items],
        next=None if page.next is None else cursor_after(page.next, search),
    )


@router.get("/{order_id}", responses=problems(404))
async def get_order(order_id: OrderId, orders: Annotated[OrderBook, Depends(order_book)]) -> OrderDetail:
    """Show one order with its lines and what they cost together."""
    return order_detail(await orders.get(order_id))
