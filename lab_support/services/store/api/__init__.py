"""The store over HTTP: its routes, and one table from error to status.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from lab_support.pools.problems import problem
from lab_support.services.problem_docs import problems
from lab_support.services.store.api import orders, products, users
from lab_support.services.store.api.dependencies import (
    Session,
    commit,
    order_book,
    order_repository,
    order_service,
    product_repository,
    product_service,
    user_repository,
    user_service,
)
from lab_support.services.store.errors import (
    CursorError,
    EmailTakenError,
    EmptyUpdateError,
    IdempotencyKeyReusedError,
    InsufficientPaymentError,
    InvalidOrderError,
    OrderNotFoundError,
    ProductInUseError,
    ProductNotFoundError,
    ProductOutOfStockError,
    ProductUnavailableError,
    StoreError,
    UserNotFoundError,
)

__all__ = [
    "STATUS_OF",
    "Session",
    "commit",
    "install_errors",
    "order_book",
    "order_repository",
    "order_service",
    "product_repository",
    "product_service",
    "router",
    "user_repository",
    "user_service",
]

STATUS_OF: dict[type[StoreError], HTTPStatus] = {
    ProductNotFoundError: HTTPStatus.NOT_FOUND,
    ProductInUseError: HTTPStatus.CONFLICT,
    EmptyUpdateError: HTTPStatus.BAD_REQUEST,
    CursorError: HTTPStatus.BAD_REQUEST,
    UserNotFoundError: HTTPStatus.NOT_FOUND,
    EmailTakenError: HTTPStatus.CONFLICT,
    OrderNotFoundError: HTTPStatus.NOT_FOUND,
    InvalidOrderError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProductUnavailableError: HTTPStatus.CONFLICT,
    ProductOutOfStockError: HTTPStatus.CONFLICT,
    InsufficientPaymentError: HTTPStatus.PAYMENT_REQUIRED,
    IdempotencyKeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
}

router = APIRouter(responses=problems(422, 503, 504))
router.include_router(products.router)
router.include_router(users.router)
router.include_router(orders.router)


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(StoreError)
    async def refuse(_request: Request, error: StoreError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        return problem(status, status.phrase, str(error))
