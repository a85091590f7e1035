"""Payments over HTTP: to be looked at; they come about by events alone.

Section:
    13.6, "Order, payment, inventory"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.pools.problems import problem
from lab_support.services.payments.dtos import PaymentRead
from lab_support.services.payments.errors import PaymentNotFoundError, PaymentsError
from lab_support.services.payments.service import PaymentBook
from lab_support.services.problem_docs import problems

STATUS_OF: dict[type[PaymentsError], HTTPStatus] = {PaymentNotFoundError: HTTPStatus.NOT_FOUND}

router = APIRouter(prefix="/payments", tags=["payments"], responses=problems(422, 503, 504))
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


def payment_book(session: Session) -> PaymentBook:
    """Give the endpoint the payments that there are."""
    return PaymentBook(session)


OrderIds = Annotated[list[UUID], Query(min_length=1, max_length=100, description="Whose payments, repeated.")]


@router.get("")
async def list_payments(
    order_id: OrderIds, payments: Annotated[PaymentBook, Depends(payment_book)]
) -> list[PaymentRead]:
    """Show the payments of these orders in one answer; orders without one are left out."""
    return await payments.of(order_id)


@router.get("/{order_id}", responses=problems(404))
async def get_payment(order_id: UUID, payments: Annotated[PaymentBook, Depends(payment_book)]) -> PaymentRead:
    """Show what became of paying one order, and of giving the money back."""
    return await payments.get(order_id)


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(PaymentsError)
    async def refuse(_request: Request, error: PaymentsError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        return problem(status, status.phrase, str(error))
