"""The catalogue that 13.2.1, 13.2.2 and 13.2.4 are about: entities, and the shapes that 13.2.2 maps.

The tables are the exercises' own, so that they stay as the tasks describe them whatever the store's become.

Section:
    13.2, "DTO and entity, apart"
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, Numeric, String, text
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class CatalogueBase(AsyncAttrs, DeclarativeBase):
    """What the catalogue's tables have in common; its registry is its own, for the store has a `Product` too."""


class Supplier(CatalogueBase):
    """Who sells a product to the shop."""

    __tablename__ = "suppliers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))


class Review(CatalogueBase):
    """What one customer wrote about a product, with 1 to 5 stars."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    stars: Mapped[int]
    comment: Mapped[str] = mapped_column(String(500))


class Product(CatalogueBase):
    """Something the shop sells; `supplier_cost` is what the shop pays for it, and nobody else's business.

    Both relationships are lazy: read before a query has loaded them, they raise MissingGreenlet.
    """

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    description: Mapped[str | None] = mapped_column(String(500))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    tax_percent: Mapped[Decimal] = mapped_column(Numeric(4, 2), server_default=text("19.00"))
    stock: Mapped[int] = mapped_column(server_default=text("0"))
    supplier_cost: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    supplier_id: Mapped[int | None] = mapped_column(ForeignKey("suppliers.id"))

    supplier: Mapped[Supplier | None] = relationship()
    reviews: Mapped[list[Review]] = relationship(order_by=Review.id)


Name = Annotated[str, Field(min_length=1, max_length=200)]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]


class NewProduct(BaseModel):
    """What a caller sends to add a product."""

    model_config = ConfigDict(extra="forbid")

    product_name: Name
    description: str | None = None
    price: Price
    stock: int = 0
    supplier_id: int | None = None


class ProductChanges(BaseModel):
    """What a caller sends to change a product: any of these fields; what is not sent stays as it is."""

    model_config = ConfigDict(extra="forbid")

    product_name: Name | None = None
    description: str | None = None
    price: Price | None = None
    stock: int | None = None


class ProductView(BaseModel):
    """A product as the API shows it, with its supplier's name beside it instead of an object within."""

    product_id: int
    product_name: str
    description: str | None
    price: Decimal
    stock: int
    supplier_name: str | None
