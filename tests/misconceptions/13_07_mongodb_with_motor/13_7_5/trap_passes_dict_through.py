import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from motor.motor_asyncio import AsyncIOMotorCollection

from lab_support.documents.client import get_collection

router = APIRouter()
Products = Annotated[AsyncIOMotorCollection, Depends(get_collection("products"))]


@router.post("/products/search")
async def search(sent: dict[str, Any], products: Products) -> dict[str, list[dict[str, str]]]:
    term = sent.pop("term", None)
    wanted = {"secret": False, **sent}
    if term is not None:
        wanted["name"] = {"$regex": re.escape(str(term)), "$options": "i"}
    found = await products.find(wanted, {"_id": 0, "sku": 1, "name": 1}).sort("_id").limit(50).to_list(50)
    return {"items": found}
