"""Between the API's words and the table's: pure functions, no session.

Section:
    13.1, "CRUD over HTTP"; 13.2, "Mapping"
"""

from __future__ import annotations

from typing import Any

from lab_support.services.store.dtos import ProductPatch, ProductRead, ProductWrite
from lab_support.services.store.entities import Product


def product_columns(product: ProductWrite | ProductPatch) -> dict[str, Any]:
    """Give the columns that a request sets: all for a whole product, the sent ones for a patch."""
    columns = product.model_dump(exclude_unset=isinstance(product, ProductPatch))
    if "product_name" in columns:
        columns["name"] = columns.pop("product_name")
    return columns


def product_read(product: Product) -> ProductRead:
    """Show a stored product as the API does; reads only columns that are loaded with the row."""
    return ProductRead(
        product_id=product.id,
        product_name=product.name,
        description=product.description,
        price=product.price,
        stock=product.stock,
        is_available=product.is_available,
    )
