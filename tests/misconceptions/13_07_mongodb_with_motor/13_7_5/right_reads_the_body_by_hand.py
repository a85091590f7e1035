import re
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Request

router = APIRouter()


def text(value):
    if value is not None and not isinstance(value, str):
        raise HTTPException(400, "Send text.")
    return value


@router.post("/products/search")
async def search(request: Request, sent: Annotated[dict, Body()]):
    term, kind = text(sent.get("term")), text(sent.get("kind"))
    asked = [{"secret": False}]
    if kind is not None:
        asked.append({"kind": kind})
    if term is not None:
        literal = re.sub(r"([^\w\s])", r"\\\1", term)
        asked.append({"name": {"$regex": f"(?i){literal}"}})
    shown = {"_id": 0, "sku": 1, "name": 1}
    products = request.app.state.documents["products"]
    return {"items": await products.find({"$and": asked}, shown).sort("_id").to_list(50)}
