from typing import Annotated

from bson import ObjectId
from bson.errors import InvalidId
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from lab_support.exercises.s13_07.shop import ProductPatch, ProductRead, ProductWrite

router = APIRouter()
NOT_FOUND = HTTPException(404, "There is no such product.")


def collection(request: Request) -> AsyncIOMotorCollection:
    return request.app.state.documents.get_collection("products")


def object_id(product_id: str) -> ObjectId:
    try:
        return ObjectId(product_id)
    except InvalidId:
        raise HTTPException(400, "That is no id.") from None


Products = Annotated[AsyncIOMotorCollection, Depends(collection)]
Id = Annotated[ObjectId, Depends(object_id)]


@router.post("/products", status_code=201)
async def create(product: ProductWrite, products: Products, response: Response) -> ProductRead:
    document = product.model_dump()
    try:
        await products.insert_one(document)
    except DuplicateKeyError:
        raise HTTPException(409, "This SKU is taken.") from None
    response.headers["Location"] = f"/products/{document['_id']}"
    return ProductRead.model_validate(document)


@router.get("/products")
async def listed(products: Products, limit: Annotated[int, Query(ge=1)] = 50) -> dict[str, list[ProductRead]]:
    cursor = products.find().sort("_id").limit(min(limit, 100))
    return {"items": [ProductRead.model_validate(document) async for document in cursor]}


@router.get("/products/{product_id}")
async def read(id_: Id, products: Products) -> ProductRead:
    document = await products.find_one(id_)
    if document is None:
        raise NOT_FOUND
    return ProductRead.model_validate(document)


@router.patch("/products/{product_id}")
async def change(id_: Id, patch: ProductPatch, products: Products) -> ProductRead:
    changes = patch.model_dump(include=patch.model_fields_set)
    if not changes:
        raise HTTPException(400, "Send at least one field.")
    after = ReturnDocument.AFTER
    document = await products.find_one_and_update({"_id": id_}, {"$set": changes}, return_document=after)
    if document is None:
        raise NOT_FOUND
    return ProductRead.model_validate(document)


@router.delete("/products/{product_id}", status_code=204)
async def delete(id_: Id, products: Products) -> None:
    if await products.find_one_and_delete({"_id": id_}) is None:
        raise NOT_FOUND
