from collections.abc import Mapping
from typing import Any

from lab_support.services.store.entities import Product


class InMemoryProductRepository:
    def __init__(self) -> None:
        self._rows: dict[int, dict[str, Any]] = {}
        self._last = 0

    def _product(self, product_id: int) -> Product | None:
        row = self._rows.get(product_id)
        return None if row is None else Product(id=product_id, **row)

    async def get_by_id(self, product_id: int) -> Product | None:
        return self._product(product_id)

    async def get_all(self) -> list[Product]:
        return [self._product(product_id) for product_id in sorted(self._rows)]

    async def get_by_name(self, name: str) -> Product | None:
        same = [product_id for product_id, row in self._rows.items() if row["name"] == name]
        return self._product(min(same)) if same else None

    async def create(self, columns: Mapping[str, Any]) -> Product:
        self._last += 1
        product_id = self._last
        self._rows[product_id] = {"description": None, "stock": 0, "is_available": True, **columns}
        return self._product(product_id)

    async def update(self, product_id: int, changes: Mapping[str, Any]) -> Product | None:
        if product_id in self._rows:
            self._rows[product_id].update(changes)
        return self._product(product_id)

    async def delete(self, product_id: int) -> bool:
        return self._rows.pop(product_id, None) is not None
