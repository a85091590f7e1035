"""What can go wrong in the catalogue; `api` turns each into an HTTP status.

    CatalogError
    ├── BadProductIdError      a text that can't be an id
    ├── ProductNotFoundError   no product has this id
    ├── EmptyUpdateError       a partial update that names no field
    ├── DuplicateProductError  another product has this sku or ISBN
    ├── ForeignFieldError      a field that products of this kind don't have
    ├── ProductBusyError       others changed the product again and again
    ├── UnreadableProductError the stored document fits no kind of product
    └── UntoldChangesError     too many changes wait to be published

Section:
    13.7, "Documents over HTTP"
"""

from __future__ import annotations

from collections.abc import Iterable

from bson import ObjectId


class CatalogError(Exception):
    """A request that the catalogue understood and refused; its text may be shown to the caller."""


class BadProductIdError(CatalogError):
    """The text is no id."""

    def __init__(self) -> None:
        super().__init__("A product's id has 24 hexadecimal digits; GET the list of products to see some.")


class ProductNotFoundError(CatalogError):
    """No product has this id."""

    def __init__(self, product_id: ObjectId) -> None:
        super().__init__(
            f"The catalogue has no product {product_id}; GET the list of products to see which there are."
        )
        self.product_id = product_id


class EmptyUpdateError(CatalogError):
    """A partial update without a single field."""

    def __init__(self, product_id: ObjectId) -> None:
        super().__init__(f"Nothing to change in product {product_id}: send at least one field.")
        self.product_id = product_id


class DuplicateProductError(CatalogError):
    """Another product has the same sku, or is the same book."""

    def __init__(self, sku: str | None) -> None:
        named = "this sku" if sku is None else f"the sku {sku}"
        super().__init__(
            f"Another product has {named} or this ISBN; change that one, or send others. Nothing was written."
        )
        self.sku = sku


class ForeignFieldError(CatalogError):
    """The fields exist, but products of this kind don't have them."""

    def __init__(self, kind: object, fields: Iterable[str]) -> None:
        self.kind = kind
        self.fields = sorted(fields)
        super().__init__(
            f"A product of kind '{kind}' has no {' and no '.join(self.fields)}. Nothing was written; to make "
            "it a product of another kind, PUT it whole."
        )


class ProductBusyError(CatalogError):
    """Whenever the product was to be changed, somebody else had just changed it."""

    def __init__(self, product_id: ObjectId) -> None:
        super().__init__(f"Product {product_id} is being changed by others; try again.")
        self.product_id = product_id


class UnreadableProductError(CatalogError):
    """What is stored under the id is no product that this code understands; the text tells no values."""

    def __init__(self, product_id: object, fields: Iterable[str]) -> None:
        self.product_id = product_id
        self.fields = sorted(set(fields))
        super().__init__(
            f"The stored document {product_id} fits no kind of product (see {', '.join(self.fields) or 'its kind'}). "
            "GET /catalog/drift shows what is stored; PUT the product anew to mend it."
        )


class UntoldChangesError(CatalogError):
    """Nobody has published the product's changes for long; one more would not be safe to keep."""

    def __init__(self, product_id: object, most: int) -> None:
        self.product_id = product_id
        super().__init__(
            f"{most:,} changes of product {product_id} wait to be published, and no more are taken. See that the bus "
            "and the relay run (`lab outbox` shows what is parked), then try again."
        )
