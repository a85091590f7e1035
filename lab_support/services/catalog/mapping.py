"""Between requests, documents and answers: pure functions, no client.

Section:
    13.7, "_id outside is id"; 13.8, "Fields that your model does not name"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson import ObjectId
from pydantic import TypeAdapter, ValidationError

from lab_support.documents.times import bson_now
from lab_support.documents.types import Collection, Document
from lab_support.documents.versions import UnknownVersionError
from lab_support.repositories import UnknownColumnError
from lab_support.services.catalog.dtos import (
    BookWrite,
    MonitorWrite,
    ProductPatch,
    ProductRead,
    TShirtWrite,
)
from lab_support.services.catalog.entities import Book, Monitor, Product, TShirt
from lab_support.services.catalog.errors import UnreadableProductError
from lab_support.services.catalog.upcasting import CURRENT, UPCASTERS

AnyProduct = Monitor | TShirt | Book
AnyWrite = MonitorWrite | TShirtWrite | BookWrite

_PRODUCT: Final[TypeAdapter[AnyProduct]] = TypeAdapter(Product)
_READ: Final[TypeAdapter[ProductRead]] = TypeAdapter(ProductRead)

FIELDS_OF: Final[dict[str, frozenset[str]]] = {
    kind: frozenset(model.model_fields) - {"kind"}
    for kind, model in (("monitor", MonitorWrite), ("tshirt", TShirtWrite), ("book", BookWrite))
}
"""The fields that can be set in a product of each kind."""

CHANGEABLE: Final = frozenset[str]().union(*FIELDS_OF.values())


MESSAGES: Final = frozenset({"outbox", "inbox"})
"""Fields of a product's document that hold what it has to tell, and what it has heard (see `announcing`)."""

BOOKKEEPING: Final = MESSAGES | {"times_ordered"}
"""Fields that no caller sets, and none takes away."""

OFFERED: Final[Document] = {"outbox.ended_at": None}
"""The filter that leaves out discontinued products, which only wait for the relay."""


class ProductDocuments:
    """The documents of the catalogue: written from models without what is None, read through the upcasters."""

    name: Final = "Product"

    async def document_of(self, product: AnyProduct, _collection: Collection, /) -> Document:
        """Give the whole document of a product; what is None is left out, so that it is missing and not null."""
        return product.model_dump(by_alias=True, exclude_none=True)

    def entity_of(self, document: Mapping[str, Any], /) -> AnyProduct:
        """Give the product that a stored document of any version means.

        Raises:
            UnreadableProductError: It means none.
        """
        try:
            product = {name: value for name, value in document.items() if name not in MESSAGES}
            return _PRODUCT.validate_python(UPCASTERS.upcast(product))
        except ValidationError as error:
            raise UnreadableProductError(document.get("_id"), _places(error)) from error
        except UnknownVersionError as error:
            raise UnreadableProductError(document.get("_id"), ["schema_version"]) from error

    def update_of(self, changes: Mapping[str, Any], /) -> Document:
        """Give the `$set` of what has a value and the `$unset` of what is None.

        Raises:
            UnknownColumnError: A name is not that of a field, or is one that only the catalogue sets.
        """
        if unknown := changes.keys() - CHANGEABLE:
            raise UnknownColumnError(self.name, unknown)
        gone = {name: "" for name, value in changes.items() if value is None}
        kept = {name: value for name, value in changes.items() if value is not None}
        update: Document = {"$set": kept | {"updated_at": bson_now()}}
        return update | ({"$unset": gone} if gone else {})


def _places(error: ValidationError) -> list[str]:
    """Name the fields that do not fit: the second part of a path, because the first is the kind."""
    paths = [one["loc"] for one in error.errors(include_url=False, include_input=False)]
    return [str(path[1] if len(path) > 1 else "kind") for path in paths]


def new_product(product: AnyWrite, *, id_: ObjectId | None = None) -> AnyProduct:
    """Make the document's model from a request; without an id it gets a new one."""
    stamped = {"_id": id_ or ObjectId(), "schema_version": CURRENT, "updated_at": bson_now()}
    return _PRODUCT.validate_python(product.model_dump() | stamped)


def changes_of(patch: ProductPatch) -> dict[str, Any]:
    """Give the fields that a patch names, as BSON has them."""
    return patch.model_dump(exclude_unset=True)


def product_read(product: AnyProduct) -> ProductRead:
    """Show a stored product; fields that nobody declared stay inside."""
    shown = product.model_dump() | {"created_at": product.id.generation_time}
    return _READ.validate_python(shown)
