from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from lab_support.exercises.s13_02.catalogue import Product, ProductView

COLUMN_OF = {"product_name": "name"}


class FromEntity(ProductView):
    model_config = ConfigDict(from_attributes=True)

    product_id: int = Field(validation_alias=AliasChoices("id"))
    product_name: str = Field(validation_alias=AliasPath("name"))
    supplier_name: Any = Field(validation_alias="supplier")

    @field_validator("supplier_name")
    @classmethod
    def flat(cls, supplier: Any) -> str | None:
        return supplier.name if supplier else None


def columns_of(dto: BaseModel) -> dict[str, Any]:
    sent = dto.model_dump(exclude_unset=True)
    return {COLUMN_OF.get(name, name): value for name, value in sent.items()}


def to_entity(new):
    return Product(**columns_of(new))


def view_query(product_id):
    query = select(Product).outerjoin(Product.supplier).options(contains_eager(Product.supplier))
    return query.where(Product.id == product_id)


def to_view(product):
    return FromEntity.model_validate(product)


def apply_changes(product, changes):
    for name, value in columns_of(changes).items():
        setattr(product, name, value)
