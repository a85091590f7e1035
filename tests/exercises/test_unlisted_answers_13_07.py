"""Answers to 13.7 that nobody stored: wrong ones get no false cause, right ones pass, none breaks the judge."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any

import pytest
from bson import Decimal128, ObjectId
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pymongo.errors import DuplicateKeyError

from lab_support.documents.money import Money
from lab_support.documents.objectid import InvalidObjectIdError, PyObjectId, parse_object_id
from lab_support.exercises import State, Verdict, find, judge
from lab_support.exercises.s13_07.entity import Product
from lab_support.exercises.s13_07.shop import ProductPatch, ProductRead, ProductWrite


def judged(exercise_id: str, *objects: Any, **how: Any) -> Verdict:
    exercise = find(exercise_id)
    return judge(exercise, dict(zip(exercise.student_writes, objects, strict=True)), **how)


def causes(verdict: Verdict) -> list[str]:
    assert not verdict.passed
    return [cause.name for cause in verdict.causes]


@pytest.mark.parametrize("nonsense", [None, 7, "text", object, print, dict])
@pytest.mark.parametrize("exercise_id", [f"13.7.{number}" for number in range(1, 6)])
def test_nonsense_is_a_verdict_and_not_a_crash(exercise_id, nonsense):
    """Whatever object is handed in, it is judged, does not pass, and is given no cause."""
    verdict = judged(exercise_id, *[nonsense] * len(find(exercise_id).student_writes))

    assert verdict.state in (State.FAILED, State.ERROR)
    assert verdict.decisive.message
    assert causes(verdict) == []


# 13.7.1


@asynccontextmanager
async def tidy(app: FastAPI):
    client = AsyncIOMotorClient(app.state.mongodb_url)
    try:
        await client.server_info()
        app.state.documents = client.get_default_database()
        yield
    finally:
        client.close()


async def of_the_state(request: Request):
    return request.app.state.documents


def test_any_operation_may_be_the_first():
    """Not the ping matters, but that something is asked: buildInfo does as well."""
    assert judged("13.7.1", tidy, of_the_state).passed


def test_close_without_finally_is_found_out():
    """A client that is closed only when all went well stays open after an error."""

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        client = AsyncIOMotorClient(app.state.mongodb_url)
        await client.admin.command("ping")
        app.state.documents = client.get_default_database()
        yield
        client.close()

    verdict = judged("13.7.1", lifespan, of_the_state)

    assert causes(verdict) == ["never-closed"]
    assert "After an error" in verdict.decisive.message


def test_swallowed_error_has_no_cause():
    """A lifespan that hides the application's error is wrong for a reason of its own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with tidy(app):
            try:
                yield
            except OSError:
                return

    verdict = judged("13.7.1", lifespan, of_the_state)

    assert causes(verdict) == []
    assert "swallowed" in verdict.decisive.message


def test_client_of_another_server_that_is_not_there_is_one_at_import():
    """A client that was made with an address of its own never finds the application's server."""
    made = AsyncIOMotorClient("mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=100")

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        await made.admin.command("ping")
        yield

    async def get_database():
        return made.get_default_database()

    assert causes(judged("13.7.1", lifespan, get_database)) == ["client-at-import"]
    made.close()


# 13.7.2


def read_model(id_type: Any, **config: Any) -> type[BaseModel]:
    """Make a response model around a type of id."""

    class ProductRead(BaseModel):
        model_config = ConfigDict(populate_by_name=True, **config)

        id: id_type = Field(validation_alias="_id")
        name: str
        price: Money
        stock: int

    return ProductRead


def id_type(read: Any, **serializer: Any) -> Any:
    """Make a type of id that differs in how it reads, or in how it writes."""
    write = PlainSerializer(str, return_type=str, **({"when_used": "json"} | serializer))
    return Annotated[ObjectId, PlainValidator(read), write, WithJsonSchema({"type": "string"})]


def strictly(value: Any) -> ObjectId:
    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise ValueError("no id")


def test_type_of_the_package_is_right():
    """What the services use passes as it is."""
    assert judged("13.7.2", PyObjectId, read_model(PyObjectId)).passed


def test_id_that_is_always_text_has_no_cause():
    """A serializer without `when_used` takes the ObjectId from the driver as well."""
    made = id_type(strictly, when_used="always")

    verdict = judged("13.7.2", made, read_model(made))

    assert causes(verdict) == []
    assert "ObjectId" in verdict.decisive.message


@pytest.mark.parametrize("loose", [ObjectId, lambda value: ObjectId(value or None)], ids=["plain", "new"])
def test_constructor_as_validator_is_found_out(loose):
    """`ObjectId(value)` takes twelve bytes, and makes up an id for None."""
    made = id_type(loose)

    verdict = judged("13.7.2", made, read_model(made))

    assert not verdict.passed
    assert set(causes(verdict)) <= {"accepts-anything"}


def test_model_that_keeps_everything_shows_too_much():
    """`extra='allow'` shows callers what is none of their business."""
    verdict = judged("13.7.2", PyObjectId, read_model(PyObjectId, extra="allow"))

    assert causes(verdict) == []
    assert "not the product's" in verdict.decisive.message


# 13.7.3


def crud(*, conflict: int = 409, order: int = 1, bad_id: int = 400, empty: int = 400) -> APIRouter:
    """Write the routes in another style, right unless something is asked for."""
    router = APIRouter()

    def key(text: str) -> ObjectId:
        try:
            return parse_object_id(text)
        except InvalidObjectIdError:
            raise HTTPException(bad_id) from None

    def shown(document: Any) -> ProductRead:
        if document is None:
            raise HTTPException(404)
        return ProductRead.model_validate(document)

    @router.post("/products", status_code=201)
    async def create(request: Request, product: ProductWrite, response: Response) -> ProductRead:
        document = {"_id": ObjectId(), **product.model_dump()}
        try:
            await request.app.state.documents.products.insert_one(document)
        except DuplicateKeyError:
            raise HTTPException(conflict) from None
        response.headers["location"] = str(request.url_for("read", text=str(document["_id"])))
        return shown(document)

    @router.get("/products")
    async def listed(request: Request, limit: int = 20) -> dict[str, list[ProductRead]]:
        if not 1 <= limit <= 100:
            raise HTTPException(422)
        pipeline = [{"$sort": {"_id": order}}, {"$limit": limit}]
        found = request.app.state.documents.products.aggregate(pipeline)
        return {"items": [shown(document) async for document in found]}

    @router.get("/products/{text}", name="read")
    async def read(request: Request, text: str) -> ProductRead:
        return shown(await request.app.state.documents.products.find_one({"_id": key(text)}))

    @router.patch("/products/{text}")
    async def change(request: Request, text: str, patch: ProductPatch) -> ProductRead:
        products, id_ = request.app.state.documents.products, key(text)
        if not (changes := patch.model_dump(exclude_unset=True)):
            raise HTTPException(empty)
        await products.update_one({"_id": id_}, {"$set": changes})
        return shown(await products.find_one({"_id": id_}))

    @router.delete("/products/{text}", status_code=204)
    async def delete(request: Request, text: str) -> None:
        if not (await request.app.state.documents.products.delete_many({"_id": key(text)})).deleted_count:
            raise HTTPException(404)

    return router


@pytest.mark.parametrize("seed", [7, 2026])
def test_routes_in_another_style_are_right_under_any_seed(seed):
    """An id of one's own, an aggregation, an absolute Location: all of it is right."""
    assert judged("13.7.3", crud(), seed=seed).passed


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ({"conflict": 400}, "same SKU"),
        ({"order": -1}, "first seven"),
        ({"bad_id": 422}, "no id"),
        ({"empty": 422}, "empty PATCH"),
    ],
    ids=["conflict", "order", "bad-id", "empty"],
)
def test_one_wrong_detail_of_a_route_has_no_cause(spoiled, said):
    """Each of them is told in words, and blamed on no belief."""
    verdict = judged("13.7.3", crud(**spoiled))

    assert causes(verdict) == []
    assert said in verdict.decisive.message


# 13.7.4


class OnACollection:
    """A right answer to 13.7.4, to be spoiled."""

    def __init__(self, products):
        self.products = products

    @staticmethod
    def product(document):
        if document is None:
            return None
        known = {name: document.get(name) for name in ("name", "description", "stock", "is_available")}
        return Product(id=document["_id"], price=document["price"].to_decimal(), **known)

    async def create(self, values):
        document = {"_id": ObjectId(), "description": None, "stock": 0, "is_available": True, **values}
        document["price"] = Decimal128(values["price"])
        await self.products.insert_one(document)
        return self.product(document)

    async def get_by_id(self, id_):
        return self.product(await self.products.find_one(id_))

    async def get_by_name(self, name):
        found = await self.products.find({"name": name}).sort("_id").limit(1).to_list(1)
        return self.product(found[0]) if found else None

    async def get_all(self):
        return [self.product(document) async for document in self.products.find().sort("_id").limit(100)]

    async def update(self, id_, changes):
        values = {
            name: Decimal128(value) if isinstance(value, Decimal) else value
            for name, value in changes.items()
        }
        if values:
            await self.products.update_one({"_id": id_}, {"$set": values})
        return await self.get_by_id(id_)

    async def delete(self, id_):
        return await self.products.find_one_and_delete({"_id": id_}) is not None

    async def take(self, id_, quantity):
        enough = {"_id": id_, "stock": {"$gte": quantity}}
        return (await self.products.update_one(enough, {"$inc": {"stock": -quantity}})).matched_count == 1


def test_repository_in_another_style_is_right():
    """Two commands for an update, and an id of one's own, keep the contract."""
    assert judged("13.7.4", OnACollection).passed


def test_money_as_text_has_no_cause():
    """Text is exact, but does not sum or compare; it is no float either."""

    class AsText(OnACollection):
        @staticmethod
        def product(document):
            known = dict(document or {})
            if document is not None and isinstance(known["price"], str):
                known["price"] = Decimal128(known["price"])
            return OnACollection.product(known or None)

        async def create(self, values):
            document = {"_id": ObjectId(), "description": None, "stock": 0, "is_available": True, **values}
            document["price"] = str(values["price"])
            await self.products.insert_one(document)
            return self.product(document)

    verdict = judged("13.7.4", AsText)

    assert causes(verdict) == []
    assert "Decimal128" in verdict.decisive.message


def test_stock_that_goes_below_nothing_is_found_out():
    """Taking first and looking afterwards promises pieces that are not there."""

    class TakesFirst(OnACollection):
        async def take(self, id_, quantity):
            return (
                await self.products.update_one({"_id": id_}, {"$inc": {"stock": -quantity}})
            ).matched_count == 1

    assert causes(judged("13.7.4", TakesFirst)) == []


def test_buyer_who_gives_up_too_early_is_found_out():
    """One try of compare-and-set leaves pieces behind, though nobody was promised too many."""

    class TriesOnce(OnACollection):
        async def take(self, id_, quantity):
            document = await self.products.find_one({"_id": id_})
            if document is None or document["stock"] < quantity:
                return False
            seen = {"_id": id_, "stock": document["stock"]}
            return (await self.products.update_one(seen, {"$inc": {"stock": -quantity}})).matched_count == 1

    verdict = judged("13.7.4", TriesOnce)

    assert causes(verdict) == []
    assert "fewer" in verdict.decisive.message


def test_list_without_an_end_is_found_out():
    """`to_list(None)` shows more than a hundred products."""

    class Everything(OnACollection):
        async def get_all(self):
            return [self.product(one) for one in await self.products.find().sort("_id").to_list(None)]

    assert "first hundred" in judged("13.7.4", Everything).decisive.message


# 13.7.5


def search_by(filter_of: Any) -> APIRouter:
    """Make the search around a function that turns a body into a filter."""
    router = APIRouter()

    @router.post("/products/search")
    async def search(request: Request) -> Any:
        wanted = filter_of(await request.json())
        found = request.app.state.documents.products.find(wanted, {"_id": 0, "sku": 1, "name": 1})
        return {"items": await found.sort("_id").limit(50).to_list(50)}

    return router


def test_blacklist_of_dollars_is_not_enough():
    """Who looks for `$` in the keys of the body alone lets the operators below them through."""

    def filter_of(body):
        if any(name.startswith("$") for name in body):
            raise HTTPException(400)
        return {**body, "secret": False}

    assert "passes-dict-through" in causes(judged("13.7.5", search_by(filter_of)))


def test_text_made_of_an_operator_is_not_refused():
    """`str()` of whatever came finds nothing, and does not tell the caller why."""

    def filter_of(body):
        wanted = {"secret": False}
        return wanted | ({"kind": str(body["kind"])} if "kind" in body else {})

    verdict = judged("13.7.5", search_by(filter_of))

    assert causes(verdict) == []
