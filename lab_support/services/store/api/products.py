"""Products over HTTP.

Section:
    13.1, "CRUD over HTTP"; 13.3, "Pages of a list that others change"
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from lab_support.services.problem_docs import problems
from lab_support.services.store.api.dependencies import product_service
from lab_support.services.store.cursors import cursor_after, id_of
from lab_support.services.store.dtos import (
    ProductCreate,
    ProductDetail,
    ProductPatch,
    ProductReplace,
    ProductSummaryPage,
)
from lab_support.services.store.errors import CursorError
from lab_support.services.store.fields import Category, Price, StorableText
from lab_support.services.store.mapping import product_columns, product_detail, product_summary
from lab_support.services.store.repository import ProductSearch
from lab_support.services.store.service import ProductService

router = APIRouter(prefix="/products", tags=["products"])

Products = Annotated[ProductService, Depends(product_service)]
ProductId = Annotated[int, Path(ge=-(2**63), lt=2**63, description="As given by the store.")]
Skip = Annotated[
    int | None, Query(ge=0, le=2**31, description="Products to leave out before the page; not with `after`.")
]
Limit = Annotated[int, Query(ge=1, le=100, description="Products on the page.")]
After = Annotated[
    str | None, Query(max_length=200, description="The `next` of the page before, with the same search.")
]


def product_search(
    category: Annotated[Category | None, Query()] = None,
    min_price: Annotated[Price | None, Query(description="At least this much, without tax.")] = None,
    max_price: Annotated[Price | None, Query(description="At most this much, without tax.")] = None,
    q: Annotated[
        StorableText | None, Query(max_length=200, description="Text in the product's name.")
    ] = None,
) -> ProductSearch:
    """Read which products are meant."""
    return ProductSearch(category=category, min_price=min_price, max_price=max_price, name_contains=q)


@router.post("", status_code=201, responses=problems(400, 413))
async def create_product(
    product: ProductCreate, products: Products, request: Request, response: Response
) -> ProductDetail:
    """Add a product; the answer's Location is its address."""
    created = await products.create(product_columns(product))
    response.headers["Location"] = f"{request.url.path}/{created.id}"
    return product_detail(created)


@router.get("", responses=problems(400))
async def list_products(
    products: Products,
    search: Annotated[ProductSearch, Depends(product_search)],
    skip: Skip = None,
    after: After = None,
    limit: Limit = 20,
) -> ProductSummaryPage:
    """List products in the order of their ids, all or those meant; `next` leads to the page that follows."""
    if after is not None and skip is not None:
        raise CursorError("`after` and `skip` are two ways to choose a page; send one of them.")
    last_seen = None if after is None else id_of(after, search)
    page = await products.browse(search, skip=skip or 0, after=last_seen, limit=limit)
    return ProductSummaryPage(
        items=[product_summary(product) for product in page.items],
        next=None if page.next is None else cursor_after(page.next, search),
    )


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
