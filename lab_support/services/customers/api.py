"""Customers over HTTP: routes, and one table from error to status.

Section:
    13.5, "Sagas: one business operation, many transactions"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.pools.problems import problem
from lab_support.services.customers.dtos import CustomerCreate, CustomerPage, CustomerRead
from lab_support.services.customers.errors import (
    CustomerIdTakenError,
    CustomerNotFoundError,
    CustomersError,
)
from lab_support.services.customers.service import CustomerService
from lab_support.services.problem_docs import problems
from lab_support.services.vocabulary import CustomerId

STATUS_OF: dict[type[CustomersError], HTTPStatus] = {
    CustomerNotFoundError: HTTPStatus.NOT_FOUND,
    CustomerIdTakenError: HTTPStatus.CONFLICT,
}

router = APIRouter(prefix="/customers", tags=["customers"], responses=problems(422, 503, 504))


def customer_service(
    session: Annotated[AsyncSession, Depends(get_session, scope="function")],
) -> CustomerService:
    """Give the endpoint the use cases of customers, in the request's one session."""
    return CustomerService(session)


Customers = Annotated[CustomerService, Depends(customer_service)]
After = Annotated[CustomerId | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Customers on the page.")]


@router.post("", status_code=201, responses=problems(400, 409, 413))
async def create_customer(
    customer: CustomerCreate, customers: Customers, request: Request, response: Response
) -> CustomerRead:
    """Add a customer with so much credit; the answer's Location is its address."""
    created = await customers.create(customer)
    response.headers["Location"] = f"{request.url.path}/{created.customer_id}"
    return created


@router.get("")
async def list_customers(customers: Customers, after: After = None, limit: Limit = 20) -> CustomerPage:
    """List customers in the order of their ids."""
    return await customers.browse(after=after, limit=limit)


@router.get("/{customer_id}", responses=problems(404))
async def get_customer(customer_id: CustomerId, customers: Customers) -> CustomerRead:
    """Show a customer's credit: what is left, and what is reserved for orders."""
    return await customers.get(customer_id)


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(CustomersError)
    async def refuse(_request: Request, error: CustomersError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        return problem(status, status.phrase, str(error))
