from typing import Literal

from pydantic import BaseModel, Field, PrivateAttr

from lab_support.documents.money import Money


class Common(BaseModel):
    kind: str
    sku: str
    name: str
    price: Money
    _stored: dict = PrivateAttr(default_factory=dict)


class Monitor(Common):
    inches: float | None = None
    refresh_hz: int | None = None


class TShirt(Common):
    size: Literal["S", "M", "L", "XL"] | None = None
    color: str | None = None


class Book(Common):
    author: str
    pages: int | None = Field(default=None, ge=1)


CLASSES = {"monitor": Monitor, "tshirt": TShirt, "book": Book}


def read_product(document):
    if document["kind"] not in CLASSES:
        raise ValueError(f"There are no products of the kind {document['kind']}.")
    product = CLASSES[document["kind"]].model_validate(document)
    product._stored = document
    return product


def product_document(product):
    return product._stored | product.model_dump(exclude_unset=True)
