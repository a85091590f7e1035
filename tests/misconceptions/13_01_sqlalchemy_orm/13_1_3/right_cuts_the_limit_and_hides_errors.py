from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from lab_support.database import get_session
from lab_support.services.store.dtos import ProductPage, ProductPatch, ProductRead, ProductWrite
from lab_support.services.store.entities import Product
from lab_support.services.store.mapping import product_read

router = APIRouter(prefix="/products")
Session = Annotated[AsyncSession, Depends(get_session)]


async def existing(session: AsyncSession, product_id: int) -> Product:
    product = await session.get(Product, product_id)
    if product is None:
        raise HTTPException(404, "There is no such product.")
    return product


def columns(values: dict) -> dict:
    if "product_name" in values:
        values["name"] = values.pop("product_name")
    return values


@router.post("", status_code=201)
async def create(product: ProductWrite, session: Session, response: Response) -> ProductRead:
    created = Product(**columns(product.model_dump()))
    session.add(created)
    try:
        await session.commit()
    except SQLAlchemyError:
        raise HTTPException(503, "The shop's database does not answer.") from None
    response.headers["Location"] = f"/products/{created.id}"
    return product_read(created)


@router.get("")
async def find(
    session: Session,
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1)] = 20,
) -> ProductPage:
    found = await session.scalars(
        select(Product).order_by(Product.name, Product.id).offset(skip).limit(min(limit, 100))
    )
    return ProductPage(items=[product_read(product) for product in found])


@router.get("/{product_id}")
async def read(product_id: int, session: Session) -> ProductRead:
    return product_read(await existing(session, product_id))


@router.put("/{product_id}")
async def replace(product_id: int, product: ProductWrite, session: Session) -> ProductRead:
    found = await existing(session, product_id)
    for name, value in columns(product.model_dump()).items():
        setattr(found, name, value)
    await session.commit()
    return product_read(found)


@router.patch("/{product_id}")
async def change(product_id: int, patch: ProductPatch, session: Session) -> ProductRead:
    changes = columns(patch.model_dump(exclude_unset=True))
    if not changes:
        raise HTTPException(400, "Send at least one field.")
    found = await existing(session, product_id)
    for name, value in changes.items():
        setattr(found, name, value)
    await session.commit()
    return product_read(found)


@router.delete("/{product_id}", status_code=204)
async def delete(product_id: int, session: Session) -> None:
    await session.delete(await existing(session, product_id))
    await session.commit()
