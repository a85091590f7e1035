"""Inventory over HTTP: routes, and one table from error to status.

Section:
    13.5, "Sagas: one business operation, many transactions"; 13.6, "The action, and what makes it good"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.pools.problems import problem
from lab_support.services.inventory.dtos import ReservationRead, StockPage, StockRead, StockWrite
from lab_support.services.inventory.errors import InventoryError, StockNotFoundError
from lab_support.services.inventory.service import StockService
from lab_support.services.problem_docs import problems
from lab_support.services.vocabulary import Sku

STATUS_OF: dict[type[InventoryError], HTTPStatus] = {StockNotFoundError: HTTPStatus.NOT_FOUND}

router = APIRouter(prefix="/inventory", tags=["inventory"], responses=problems(422, 503, 504))


def stock_service(session: Annotated[AsyncSession, Depends(get_session, scope="function")]) -> StockService:
    """Give the endpoint the use cases of the warehouse, in the request's one session."""
    return StockService(session)


Warehouse = Annotated[StockService, Depends(stock_service)]
After = Annotated[Sku | None, Query(description="The `next` of the page before.")]
Skus = Annotated[list[Sku] | None, Query(min_length=1, max_length=100, description="Only these, repeated.")]
OrderIds = Annotated[list[UUID], Query(min_length=1, max_length=100, description="Whose pieces, repeated.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Products on the page.")]


@router.get("/stock")
async def list_stock(
    warehouse: Warehouse, sku: Skus = None, after: After = None, limit: Limit = 20
) -> StockPage:
    """List what is in stock, in the order of the skus: everything, or these products on one page."""
    return await (warehouse.browse(after=after, limit=limit) if sku is None else warehouse.these(sku))


@router.get("/reservations")
async def list_reservations(order_id: OrderIds, warehouse: Warehouse) -> list[ReservationRead]:
    """Show what was decided about the pieces of these orders; where nothing was, the order is left out."""
    return await warehouse.reservations_of(order_id)


@router.get("/stock/{sku}", responses=problems(404))
async def get_stock(sku: Sku, warehouse: Warehouse) -> StockRead:
    """Show how many pieces of a product can be reserved, and how many are."""
    return await warehouse.get(sku)


@router.put("/stock/{sku}", responses={201: {"model": StockRead}, **problems(400, 413)})
async def put_stock(sku: Sku, stock: StockWrite, warehouse: Warehouse, response: Response) -> StockRead:
    """Say how many pieces of a product there are; one that is new in the warehouse is 201."""
    stored, new = await warehouse.put(sku, stock)
    response.status_code = 201 if new else 200
    return stored


@router.delete("/stock/{sku}", status_code=204, response_class=Response, responses=problems(404))
async def delete_stock(sku: Sku, warehouse: Warehouse) -> None:
    """Take a product out of the warehouse, even while pieces of it are reserved."""
    await warehouse.delete(sku)


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(InventoryError)
    async def refuse(_request: Request, error: InventoryError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        return problem(status, status.phrase, str(error))
