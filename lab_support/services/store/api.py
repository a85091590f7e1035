"""The store over HTTP: routes, their dependencies, and one table from error to status.

Section:
    13.1, "CRUD over HTTP"
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.pools.problems import problem
from lab_support.services.problem_docs import problems
from lab_support.services.store.dtos import (
    ProductCreate,
    ProductDetail,
    ProductPatch,
    ProductReplace,
    ProductSummaryPage,
)
from lab_support.services.store.errors import (
    EmptyUpdateError,
    ProductInUseError,
    ProductNotFoundError,
    StoreError,
)
from lab_support.services.store.fields import StorableText
from lab_support.services.store.mapping import product_columns, product_detail, product_summary
from lab_support.services.store.service import ProductService

STATUS_OF: dict[type[StoreError], HTTPStatus] = {
    ProductNotFoundError: HTTPStatus.NOT_FOUND,
    ProductInUseError: HTTPStatus.CONFLICT,
    EmptyUpdateError: HTTPStatus.BAD_REQUEST,
}

router = APIRouter(prefix="/products", tags=["products"], responses=problems(422, 503, 504))


def product_service(
    session: Annotated[AsyncSession, Depends(get_session, scope="function")],
) -> ProductService:
    """Give the endpoint its use cases on this request's session."""
    return ProductService(session)


Products = Annotated[ProductService, Depends(product_service)]
ProductId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="As given by the store.")]
Skip = Annotated[int, Query(ge=0, le=2**31, description="Products to leave out before the page.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Products on the page.")]
Search = Annotated[StorableText | None, Query(max_length=200, description="Text in the product's name.")]


@router.post("", status_code=201, responses=problems(400, 413))
async def create_product(
    product: ProductCreate, products: Products, request: Request, response: Response
) -> ProductDetail:
    """Add a product; the answer's Location is its address."""
    created = await products.create(product_columns(product))
    response.headers["Location"] = f"{request.url.path}/{created.id}"
    return product_detail(created)


@router.get("")
async def list_products(
    products: Products, skip: Skip = 0, limit: Limit = 20, q: Search = None
) -> ProductSummaryPage:
    """List products in the order of their ids, all or those with a text in their name."""
    found = await products.find(skip=skip, limit=limit, name_contains=q)
    return ProductSummaryPage(items=[product_summary(product) for product in found])


@router.get("/{product_id}", responses=problems(404))
async def get_product(product_id: ProductId, products: Products) -> ProductDetail:
    """Show one product."""
    return product_detail(await products.get(product_id))


@router.put("/{product_id}", responses=problems(400, 404, 413))
async def replace_product(
    product_id: ProductId, product: ProductReplace, products: Products
) -> ProductDetail:
    """Replace a product; an optional field that is not sent gets its default."""
    return product_detail(await products.change(product_id, product_columns(product)))


@router.patch("/{product_id}", responses=problems(400, 404, 413))
async def change_product(product_id: ProductId, product: ProductPatch, products: Products) -> ProductDetail:
    """Change the fields that are sent and leave the others."""
    return product_detail(await products.change(product_id, product_columns(product)))


@router.delete("/{product_id}", status_code=204, response_class=Response, responses=problems(404, 409))
async def delete_product(product_id: ProductId, products: Products) -> None:
    """Delete a product that is part of no order."""
    await products.delete(product_id)


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above."""

    @app.exception_handler(StoreError)
    async def refuse(_request: Request, error: StoreError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        return problem(status, status.phrase, str(error))
