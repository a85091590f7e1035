from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from lab_support.documents.money import Money
from lab_support.documents.objectid import PyObjectId


class _Product(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: PyObjectId = Field(alias="_id")
    sku: str
    name: str
    price: Money


class Monitor(_Product):
    kind: Literal["monitor"]
    inches: float | None = None
    refresh_hz: int | None = None


class TShirt(_Product):
    kind: Literal["tshirt"]
    size: Literal["S", "M", "L", "XL"] | None = None
    color: str | None = None


class Book(_Product):
    kind: Literal["book"]
    author: str
    pages: int | None = None


Product = Monitor | TShirt | Book
_PRODUCTS = TypeAdapter(Product)


def read_product(document):
    return _PRODUCTS.validate_python(document)


def product_document(product):
    return product.model_dump(by_alias=True, exclude_unset=True)
