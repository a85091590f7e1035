from typing import Annotated

from bson import ObjectId
from fastapi import APIRouter, Depends, HTTPException, Query, Response
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from lab_support.documents.client import get_collection
from lab_support.documents.objectid import InvalidObjectIdError, parse_object_id
from lab_support.exercises.s13_07.shop import ProductPatch, ProductRead, ProductWrite

router = APIRouter(prefix="/products")
Products = Annotated[AsyncIOMotorCollection, Depends(get_collection("products"))]


def read_id(product_id: str) -> ObjectId:
    try:
        return parse_object_id(product_id)
    except InvalidObjectIdError as error:
        raise HTTPException(400, str(error)) from None


Id = Annotated[ObjectId, Depends(read_id)]


async def stored(products: AsyncIOMotorCollection, id_: ObjectId) -> ProductRead:
    document = await products.find_one({"_id": id_})
    if document is None:
        raise HTTPException(404, "There is no such product.")
    return ProductRead.model_validate(document)


@router.post("", status_code=201)
async def create(product: ProductWrite, products: Products, response: Response) -> ProductRead:
    try:
        inserted = await products.insert_one(product.model_dump())
    except DuplicateKeyError:
        raise HTTPException(409, "Another product has this SKU.") from None
    response.headers["Location"] = f"/products/{inserted.inserted_id}"
    return await stored(products, inserted.inserted_id)


@router.get("")
async def list_products(
    products: Products, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, list[ProductRead]]:
    documents = await products.find().sort("_id").limit(limit).to_list(limit)
    return {"items": [ProductRead.model_validate(document) for document in documents]}


@router.get("/{product_id}")
async def read(id_: Id, products: Products) -> ProductRead:
    return await stored(products, id_)


@router.patch("/{product_id}")
async def change(id_: Id, patch: ProductPatch, products: Products) -> ProductRead:
    changes = patch.model_dump(exclude_unset=True)
    if not changes:
        raise HTTPException(400, "Send at least one field.")
    result = await products.update_one({"_id": id_}, {"$set": changes})
    if result.modified_count == 0:
        raise HTTPException(404, "There is no such product.")
    return await stored(products, id_)


@router.delete("/{product_id}", status_code=204)
async def delete(id_: Id, products: Products) -> None:
    result = await products.delete_one({"_id": id_})
    if result.deleted_count == 0:
        raise HTTPException(404, "There is no such product.")
