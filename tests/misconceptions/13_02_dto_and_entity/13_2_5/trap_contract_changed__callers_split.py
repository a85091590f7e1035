from decimal import Decimal
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import Numeric, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import get_session

Session = Annotated[AsyncSession, Depends(get_session)]
products = APIRouter(prefix="/products", tags=["products"])


class VersionTwo(DeclarativeBase):
    pass


class BrandedProduct(VersionTwo):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    brand: Mapped[str] = mapped_column(String(200))
    model: Mapped[str | None] = mapped_column(String(200))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))


def upgrade(op):
    op.add_column("products", sa.Column("brand", sa.String(200), nullable=False, server_default=""))
    op.add_column("products", sa.Column("model", sa.String(200)))
    names = ("id", "name", "brand", "model")
    table = sa.table("products", *(sa.column(name) for name in names))
    connection = op.get_bind()
    for row in connection.execute(select(table.c.id, table.c.name)).all():
        new = sa.update(table).where(table.c.id == row.id)
        connection.execute(new.values(in_two(row.name)))
    op.drop_column("products", "name")


class ProductIn(BaseModel):
    """A product as it is sent."""

    brand: str = Field(min_length=1, max_length=200)
    model: str | None = Field(None, max_length=200)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)


class ProductOut(BaseModel):
    """A product as it is shown."""

    product_id: int
    product_name: str
    price: Decimal


def in_two(name):
    brand, space, model = name.partition(" ")
    return {"brand": brand, "model": model if space else None}


def to_out(product):
    name = product.brand if product.model is None else f"{product.brand} {product.model}"
    return ProductOut(product_id=product.id, product_name=name, price=product.price)


@products.post("", status_code=201)
async def create_product(product: ProductIn, session: Session) -> ProductOut:
    """Add a product."""
    created = BrandedProduct(**product.model_dump())
    session.add(created)
    await session.commit()
    return to_out(created)


@products.get("")
async def list_products(
    session: Session, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> list[ProductOut]:
    """List the first products."""
    found = await session.scalars(select(BrandedProduct).order_by(BrandedProduct.id).limit(limit))
    return [to_out(product) for product in found]


@products.get("/{product_id}")
async def get_product(product_id: int, session: Session) -> ProductOut:
    """Show one product."""
    product = await session.get(BrandedProduct, product_id)
    if product is None:
        raise HTTPException(404, "There is no such product.")
    return to_out(product)
