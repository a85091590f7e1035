from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ProductCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    product_name: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=500)
    price: Decimal = Field(ge=0, max_digits=12, decimal_places=2)
    stock: int = Field(0, ge=0)


class ProductUpdate(ProductCreate):
    product_name: str | None = Field(None, min_length=1, max_length=200)
    price: Decimal | None = Field(None, ge=0, max_digits=12, decimal_places=2)
    stock: int | None = Field(None, ge=0)


class ProductSummary(BaseModel):
    product_id: int
    product_name: str
    price: Decimal

    @model_validator(mode="before")
    @classmethod
    def from_entity(cls, source: Any) -> Any:
        if isinstance(source, dict):
            return source
        renamed = {"product_id": "id", "product_name": "name"}
        return {field: getattr(source, renamed.get(field, field)) for field in cls.model_fields}


class ProductDetail(ProductSummary):
    description: str | None
    stock: int
