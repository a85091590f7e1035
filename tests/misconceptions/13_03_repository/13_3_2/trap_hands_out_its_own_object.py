from collections.abc import Mapping
from itertools import count
from typing import Any

from lab_support.services.store.entities import Product


class InMemoryProductRepository:
    def __init__(self) -> None:
        self._products: dict[int, Product] = {}
        self._ids = count(1)

    async def get_by_id(self, product_id: int) -> Product | None:
        return self._products.get(product_id)

    async def get_all(self) -> list[Product]:
        return list(self._products.values())

    async def get_by_name(self, name: str) -> Product | None:
        return next((product for product in self._products.values() if product.name == name), None)

    async def create(self, columns: Mapping[str, Any]) -> Product:
        filled = {"description": None, "stock": 0, "is_available": True, **columns}
        product = Product(id=next(self._ids), **filled)
        self._products[product.id] = product
        return product

    async def update(self, product_id: int, changes: Mapping[str, Any]) -> Product | None:
        product = self._products.get(product_id)
        if product is not None:
            for column, value in changes.items():
                setattr(product, column, value)
        return product

    async def delete(self, product_id: int) -> bool:
        return self._products.pop(product_id, None) is not None
