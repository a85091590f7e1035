"""Version 1 of the service that 13.2.5 changes: one column `name`, and the contract that has to stay.

Section:
    13.2, "The table changes, the contract does not"
"""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import Numeric, String, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from lab_support.database import get_session, session_factory


class VersionOne(DeclarativeBase):
    """The tables of version 1."""


class NamedProduct(VersionOne):
    """A product, called by one name."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))


Session = Annotated[AsyncSession, Depends(get_session)]
products = APIRouter(prefix="/products", tags=["products"])


class ProductIn(BaseModel):
    """A product as it is sent."""

    product_name: str = Field(min_length=1, max_length=200)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)


class ProductOut(BaseModel):
    """A product as it is shown."""

    product_id: int
    product_name: str
    price: Decimal


def to_out(product: NamedProduct) -> ProductOut:
    """Show a row as the API does."""
    return ProductOut(product_id=product.id, product_name=product.name, price=product.price)


@products.post("", status_code=201)
async def create_product(product: ProductIn, session: Session) -> ProductOut:
    """Add a product."""
    created = NamedProduct(name=product.product_name, price=product.price)
    session.add(created)
    await session.commit()
    return to_out(created)


@products.get("")
async def list_products(
    session: Session, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> list[ProductOut]:
    """List the first products."""
    found = await session.scalars(select(NamedProduct).order_by(NamedProduct.id).limit(limit))
    return [to_out(product) for product in found]


@products.get("/{product_id}")
async def get_product(product_id: int, session: Session) -> ProductOut:
    """Show one product."""
    product = await session.get(NamedProduct, product_id)
    if product is None:
        raise HTTPException(404, "There is no such product.")
    return to_out(product)


def version_one(engine: AsyncEngine) -> FastAPI:
    """Build the application of version 1 on an engine."""
    app = FastAPI()
    app.state.sessions = session_factory(engine)
    app.include_router(products)
    return app
