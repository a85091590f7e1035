from pydantic import ConfigDict, Field
from sqlalchemy import select

from lab_support.exercises.s13_02.catalogue import Product, ProductView


def to_entity(new):
    columns = new.model_dump()
    return Product(name=columns.pop("product_name"), **columns)


def view_query(product_id):
    return select(Product).where(Product.id == product_id)


class V(ProductView):
    model_config = ConfigDict(from_attributes=True)
    product_id: int = Field(validation_alias="id")
    product_name: str = Field(validation_alias="name")
    supplier_name: object = Field(validation_alias="supplier")


def to_view(product):
    return V.model_validate(product)


def apply_changes(product, changes):
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(product, "name" if name == "product_name" else name, value)
