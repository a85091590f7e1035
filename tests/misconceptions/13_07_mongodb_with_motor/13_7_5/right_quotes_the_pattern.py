import re
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, StrictStr

from lab_support.documents.client import get_collection
from lab_support.documents.types import Collection

router = APIRouter()


class Sent(BaseModel):
    term: StrictStr = ""
    kind: StrictStr | None = None


@router.post("/products/search")
async def search(sent: Sent, products: Annotated[Collection, Depends(get_collection("products"))]):
    wanted = {"secret": {"$ne": True}, "name": re.compile(re.escape(sent.term), re.IGNORECASE)}
    if sent.kind is not None:
        wanted["kind"] = sent.kind
    items = []
    async for product in products.find(wanted).sort("_id", 1).limit(50):
        items.append({"sku": product["sku"], "name": product["name"]})
    return {"items": items}
