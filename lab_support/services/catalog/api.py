"""The catalogue over HTTP: its routes, and one table from error to status.

Nothing that a caller sends becomes part of a filter as it is: each parameter has a type of its own. A body's unknown
field is refused, an unknown parameter is overlooked. So there is no place for an operator.

Section:
    13.7, "Documents over HTTP"; "Operator injection"; 13.8, "Drift: ask the documents"
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Annotated

from bson import ObjectId
from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from pymongo.errors import PyMongoError

from lab_support.documents.client import get_database
from lab_support.documents.money import Money
from lab_support.documents.objectid import PATTERN, InvalidObjectIdError, parse_object_id
from lab_support.documents.types import Database
from lab_support.pools import install_infrastructure_errors
from lab_support.pools.problems import problem
from lab_support.services.catalog.announcing_repository import AnnouncingCatalogRepository
from lab_support.services.catalog.dtos import (
    DriftRead,
    DriftRowRead,
    ProductPage,
    ProductPatch,
    ProductRead,
    ProductWrite,
)
from lab_support.services.catalog.entities import COLLECTION
from lab_support.services.catalog.errors import (
    BadProductIdError,
    CatalogError,
    DuplicateProductError,
    EmptyUpdateError,
    ForeignFieldError,
    ProductBusyError,
    ProductNotFoundError,
    UnreadableProductError,
    UntoldChangesError,
)
from lab_support.services.catalog.kinds import Kind
from lab_support.services.catalog.mapping import changes_of, product_read
from lab_support.services.catalog.repository import CatalogRepository, CatalogSearch
from lab_support.services.catalog.service import CatalogService
from lab_support.services.participant import Participant
from lab_support.services.problem_docs import problems
from lab_support.services.vocabulary import Sku

_log = logging.getLogger(__name__)

STATUS_OF: dict[type[CatalogError], HTTPStatus] = {
    BadProductIdError: HTTPStatus.BAD_REQUEST,
    ProductNotFoundError: HTTPStatus.NOT_FOUND,
    EmptyUpdateError: HTTPStatus.BAD_REQUEST,
    DuplicateProductError: HTTPStatus.CONFLICT,
    ForeignFieldError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ProductBusyError: HTTPStatus.CONFLICT,
    UnreadableProductError: HTTPStatus.INTERNAL_SERVER_ERROR,
    UntoldChangesError: HTTPStatus.SERVICE_UNAVAILABLE,
}

router = APIRouter(prefix="/catalog", tags=["catalog"], responses=problems(422, 503, 504))


def catalog_repository(
    request: Request, database: Annotated[Database, Depends(get_database)]
) -> CatalogRepository:
    """Give this request its products; a catalogue that takes part in the conversation announces their changes."""
    announces = getattr(request.app.state, "participant", None) is not None
    return (AnnouncingCatalogRepository if announces else CatalogRepository)(database[COLLECTION])


def catalog_service(
    request: Request, products: Annotated[CatalogRepository, Depends(catalog_repository)]
) -> CatalogService:
    """Give the endpoint the use cases of the catalogue."""
    participant: Participant | None = getattr(request.app.state, "participant", None)
    return CatalogService(products, wake=None if participant is None else participant.relay.wake)


def wanted_id(
    product_id: Annotated[
        str, Path(description="As given by the catalogue.", json_schema_extra={"pattern": PATTERN})
    ],
) -> ObjectId:
    """Read the id in the path; a text that can't be one is the caller's error and no missing product."""
    return _id_of(product_id)


def page_start(
    after: Annotated[str | None, Query(max_length=100, description="The `next` of the page before.")] = None,
) -> ObjectId | None:
    """Read where the page begins."""
    return None if after is None else _id_of(after)


def _id_of(text: str) -> ObjectId:
    try:
        return parse_object_id(text)
    except InvalidObjectIdError as error:
        raise BadProductIdError from error


FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


def catalog_search(
    kind: Annotated[Kind | None, Query()] = None,
    min_price: Annotated[Money | None, Query(description="At least this much.")] = None,
    max_price: Annotated[Money | None, Query(description="At most this much.")] = None,
    has: Annotated[
        list[FieldName] | None, Query(max_length=10, description="Fields that the products must have.")
    ] = None,
    sku: Annotated[list[Sku] | None, Query(max_length=100, description="One of these, repeated.")] = None,
) -> CatalogSearch:
    """Read which products are meant."""
    return CatalogSearch(
        kind=kind, min_price=min_price, max_price=max_price, has=tuple(has or ()), skus=tuple(sku or ())
    )


Catalog = Annotated[CatalogService, Depends(catalog_service)]
ProductId = Annotated[ObjectId, Depends(wanted_id)]
Search = Annotated[CatalogSearch, Depends(catalog_search)]
After = Annotated[ObjectId | None, Depends(page_start)]
Limit = Annotated[int, Query(ge=1, le=100, description="Products on the page.")]


@router.post("/products", status_code=201, responses=problems(400, 409, 413))
async def create_product(
    product: Annotated[ProductWrite, Body()], catalog: Catalog, request: Request, response: Response
) -> ProductRead:
    """Add a product; the answer's Location is its address."""
    created = await catalog.create(product)
    response.headers["Location"] = f"{request.url.path}/{created.id}"
    return product_read(created)


@router.get("/products", responses=problems(400))
async def list_products(catalog: Catalog, search: Search, after: After, limit: Limit = 20) -> ProductPage:
    """List products in the order in which they were made, all or those meant."""
    page = await catalog.browse(search, after=after, limit=limit)
    return ProductPage(
        items=[product_read(product) for product in page.items],
        unreadable=[str(id_) for id_ in page.unreadable],
        next=page.next,
    )


@router.get("/products/{product_id}", responses=problems(400, 404))
async def get_product(product_id: ProductId, catalog: Catalog) -> ProductRead:
    """Show one product."""
    return product_read(await catalog.get(product_id))


@router.put("/products/{product_id}", responses=problems(400, 404, 409, 413))
async def replace_product(
    product_id: ProductId, product: Annotated[ProductWrite, Body()], catalog: Catalog
) -> ProductRead:
    """Replace a product by another, of whatever kind; what is not sent is gone."""
    return product_read(await catalog.replace(product_id, product))


@router.patch("/products/{product_id}", responses=problems(400, 404, 409, 413))
async def change_product(product_id: ProductId, product: ProductPatch, catalog: Catalog) -> ProductRead:
    """Change the fields that are sent and leave the others; null takes an optional one away."""
    return product_read(await catalog.change(product_id, changes_of(product)))


@router.delete(
    "/products/{product_id}", status_code=204, response_class=Response, responses=problems(400, 404)
)
async def delete_product(product_id: ProductId, catalog: Catalog) -> None:
    """Delete a product."""
    await catalog.delete(product_id)


@router.get("/drift")
async def show_drift(catalog: Catalog, kind: Annotated[Kind | None, Query()] = None) -> DriftRead:
    """Report which fields the stored products really have: by kind, field and BSON type."""
    rows = await catalog.drift(kind)
    return DriftRead(
        total=sum(row.count for row in rows if row.field == "_id"),
        rows=[DriftRowRead.model_validate(row, from_attributes=True) for row in rows],
    )


def install_errors(app: FastAPI) -> None:
    """Answer this service's own errors by the table above, and those of its driver like any database's."""
    install_infrastructure_errors(app, also=[PyMongoError])

    @app.exception_handler(CatalogError)
    async def refuse(_request: Request, error: CatalogError) -> JSONResponse:
        status = STATUS_OF[type(error)]
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("%s", error)
        return problem(status, status.phrase, str(error))
