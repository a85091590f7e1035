from typing import Annotated, Any

from fastapi import APIRouter, Depends
from motor.motor_asyncio import AsyncIOMotorCollection
from pydantic import BaseModel, ConfigDict, Field

from lab_support.documents.client import get_collection

router = APIRouter()
Products = Annotated[AsyncIOMotorCollection, Depends(get_collection("products"))]


class Search(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    term: str | None = Field(default=None, max_length=200)
    kind: str | None = Field(default=None, max_length=40)


@router.post("/products/search")
async def search(sent: Search, products: Products) -> dict[str, list[dict[str, str]]]:
    wanted: dict[str, Any] = {"secret": False}
    if sent.kind is not None:
        wanted["kind"] = {"$eq": sent.kind}
    if sent.term is not None:
        wanted["name"] = {"$regex": sent.term, "$options": "i"}
    found = await products.find(wanted, {"_id": 0, "sku": 1, "name": 1}).sort("_id").limit(50).to_list(50)
    return {"items": found}
