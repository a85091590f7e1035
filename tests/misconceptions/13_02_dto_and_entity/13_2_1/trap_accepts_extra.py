from decimal import Decimal
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=500)]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
Stock = Annotated[int, Field(ge=0)]


class ProductCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_name: Name
    description: Text | None = None
    price: Price
    stock: Stock = 0
    supplier_cost: Price | None = None


class ProductUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_name: Name | None = None
    description: Text | None = None
    price: Price | None = None
    stock: Stock | None = None


class ProductSummary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    product_id: int = Field(validation_alias=AliasChoices("product_id", "id"))
    product_name: str = Field(validation_alias=AliasChoices("product_name", "name"))
    price: Decimal


class ProductDetail(ProductSummary):
    description: str | None
    stock: int
