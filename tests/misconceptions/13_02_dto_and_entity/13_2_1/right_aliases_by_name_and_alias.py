from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(alias="product_name", min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=500)]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
Stock = Annotated[int, Field(ge=0)]


class Incoming(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Outgoing(BaseModel):
    model_config = ConfigDict(from_attributes=True, validate_by_name=True, validate_by_alias=True)


class ProductCreate(Incoming):
    name: Name
    description: Text | None = None
    price: Price
    stock: Stock = 0


class ProductUpdate(Incoming):
    name: Name = Field(None, alias="product_name")
    description: Text | None = None
    price: Price = None
    stock: Stock = None


class ProductSummary(Outgoing):
    id: int = Field(alias="product_id")
    name: str = Field(alias="product_name")
    price: Decimal


class ProductDetail(ProductSummary):
    description: str | None
    stock: int
