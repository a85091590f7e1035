from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=500)]
Price = Annotated[float, Field(ge=0, multiple_of=0.01, le=9_999_999_999.99)]
Stock = Annotated[int, Field(ge=0)]


class ProductCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product_name: Name
    description: Text | None = None
    price: Price
    stock: Stock = 0


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
    price: float


class ProductDetail(ProductSummary):
    description: str | None
    stock: int
