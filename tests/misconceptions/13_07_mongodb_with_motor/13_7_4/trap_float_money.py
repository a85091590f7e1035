from dataclasses import asdict
from decimal import Decimal
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument

from lab_support.exercises.s13_07.entity import Product


def _bson(fields: dict[str, Any]) -> dict[str, Any]:
    exact = {name: float(value) for name, value in fields.items() if isinstance(value, Decimal)}
    return fields | exact


def _money(stored: Any) -> Decimal:
    return Decimal(f"{float(str(stored)):.2f}")


def _product(document: dict[str, Any] | None) -> Product | None:
    if document is None:
        return None
    fields = {name: document[name] for name in ("name", "description", "stock", "is_available")}
    return Product(id=document["_id"], price=_money(document["price"]), **fields)


class ProductRepository:
    def __init__(self, products: AsyncIOMotorCollection) -> None:
        self._products = products

    async def create(self, values: dict[str, Any]) -> Product:
        product = Product(**values)
        document = _bson(asdict(product))
        del document["id"]
        product.id = (await self._products.insert_one(document)).inserted_id
        return product

    async def get_by_id(self, id_: ObjectId) -> Product | None:
        return _product(await self._products.find_one({"_id": id_}))

    async def get_by_name(self, name: str) -> Product | None:
        return _product(await self._products.find_one({"name": name}, sort=[("_id", 1)]))

    async def get_all(self, limit: int = 100) -> list[Product]:
        found = await self._products.find().sort("_id").limit(limit).to_list(limit)
        return [_product(document) for document in found]

    async def update(self, id_: ObjectId, changes: dict[str, Any]) -> Product | None:
        if not changes:
            return await self.get_by_id(id_)
        after = ReturnDocument.AFTER
        change = {"$set": _bson(changes)}
        return _product(await self._products.find_one_and_update({"_id": id_}, change, return_document=after))

    async def delete(self, id_: ObjectId) -> bool:
        return (await self._products.delete_one({"_id": id_})).deleted_count == 1

    async def take(self, id_: ObjectId, quantity: int) -> bool:
        enough = {"_id": id_, "stock": {"$gte": quantity}}
        taken = await self._products.update_one(enough, {"$inc": {"stock": -quantity}})
        return taken.modified_count == 1
