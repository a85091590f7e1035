"""Indexes and validators: declared once, applied at each start, to new collections and to full ones."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError

from lab_support.documents.client import mongo_client
from lab_support.documents.indexes import Index, IndexConflictError, ensure_indexes
from lab_support.documents.money import Money
from lab_support.documents.objectid import PyObjectId
from lab_support.documents.schemas import bson_schema
from lab_support.documents.types import Client, Database
from lab_support.documents.validators import Validator, applied_validator, apply_validator
from tests.documents.databases import DRIVERS, fresh_database, mongo_url  # noqa: F401 - a fixture

SKU = Index(name="sku_unique", keys=[("sku", 1)], unique=True)
NAMED = Validator(schema={"required": ["name"], "properties": {"name": {"bsonType": "string"}}})


@pytest.fixture(scope="module", params=DRIVERS)
async def client(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[Client]:  # noqa: F811
    async with mongo_client(mongo_url, driver=request.param) as client:
        yield client


@pytest.fixture
async def database(client: Client) -> AsyncIterator[Database]:
    async with fresh_database(client) as database:
        yield database


async def test_indexes_are_there_once_however_often_one_starts(database: Database) -> None:
    """With the options that were declared, and in force."""
    declared = [
        SKU,
        Index(name="kind_price", keys=[("kind", 1), ("price", -1)]),
        Index(name="isbn", keys=[("isbn", 1)], unique=True, partial={"isbn": {"$exists": True}}),
        Index(name="tag", keys=[("tag", 1)], sparse=True),
    ]
    for _ in range(2):
        await ensure_indexes(database["things"], declared)

    found = await database["things"].index_information()
    assert found.keys() == {"_id_", "sku_unique", "kind_price", "isbn", "tag"}
    assert (found["sku_unique"]["unique"], found["tag"]["sparse"]) == (True, True)
    assert found["kind_price"]["key"] == [("kind", 1), ("price", -1)]
    assert found["isbn"]["partialFilterExpression"] == {"isbn": {"$exists": True}}
    await database["things"].insert_one({"sku": "A"})
    with pytest.raises(DuplicateKeyError):
        await database["things"].insert_one({"sku": "A"})


@pytest.mark.parametrize(
    "other",
    [Index(name="sku_unique", keys=[("sku", 1)]), Index(name="sku_unique", keys=[("code", 1)], unique=True)],
    ids=["other options", "other keys"],
)
async def test_index_that_is_another_one_is_a_conflict(database: Database, other: Index) -> None:
    """Nothing is dropped behind anybody's back; the error names the index and what to do."""
    await ensure_indexes(database["things"], [SKU])

    with pytest.raises(IndexConflictError, match=r"'sku_unique'.*Drop it with"):
        await ensure_indexes(database["things"], [other])


async def test_duplicates_that_are_there_are_a_conflict(database: Database) -> None:
    """The error says of which field."""
    await database["things"].insert_many([{"sku": "A"}, {"sku": "A"}])

    with pytest.raises(IndexConflictError, match=r"two documents have the same sku"):
        await ensure_indexes(database["things"], [SKU])


async def test_validator_holds_in_a_new_collection(database: Database) -> None:
    """And can be read back as it was declared."""
    await apply_validator(database, "things", NAMED)

    await database["things"].insert_one({"name": "x"})
    with pytest.raises(WriteError) as caught:
        await database["things"].insert_one({"name": 1})
    assert caught.value.code == 121
    assert await applied_validator(database, "things") == NAMED


async def test_validator_comes_to_a_full_collection(database: Database) -> None:
    """Old documents stay; moderate lets them change, strict does not."""
    await database["things"].insert_one({"_id": 1, "name": 1})

    await apply_validator(database, "things", Validator(schema=NAMED.schema, level="moderate"))
    await database["things"].update_one({"_id": 1}, {"$set": {"x": 1}})
    with pytest.raises(WriteError):
        await database["things"].insert_one({"_id": 2, "name": 2})
    await apply_validator(database, "things", NAMED)
    with pytest.raises(WriteError):
        await database["things"].update_one({"_id": 1}, {"$set": {"x": 2}})

    assert await database["things"].find_one({}) == {"_id": 1, "name": 1, "x": 1}


async def test_collection_without_a_validator_has_none(database: Database) -> None:
    """Nor has one that does not exist."""
    await database["things"].insert_one({})

    assert await applied_validator(database, "things") is None
    assert await applied_validator(database, "nothing") is None


async def test_schema_with_an_unknown_keyword_is_refused(database: Database) -> None:
    """A typing error does not become a rule that never holds."""
    with pytest.raises(OperationFailure):
        await apply_validator(database, "things", Validator(schema={"requried": ["name"]}))


class Sized(BaseModel):
    width: Annotated[int, Field(gt=0)]


class Thing(BaseModel):
    id: PyObjectId = Field(alias="_id")
    price: Money
    at: datetime
    note: Annotated[str, Field(max_length=9)] | None = None
    tags: Annotated[list[str], Field(min_length=1)]


class Box(Thing):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["box"]
    size: Sized


class Ball(Thing):
    kind: Literal["ball"]
    weight: float
    round: bool = True


def test_schema_of_a_union_says_what_each_kind_has() -> None:
    """In the server's types, without references, and with draft 4's way to say "more than"."""
    schema: dict[str, Any] = bson_schema(Annotated[Box | Ball, Field(discriminator="kind")])

    box, ball = schema["oneOf"]
    assert schema["properties"] == {"kind": {"enum": ["box", "ball"]}}
    assert box["properties"]["_id"] == {"bsonType": "objectId"}
    assert box["properties"]["price"]["bsonType"] == "decimal"
    assert box["properties"]["at"] == {"bsonType": "date"}
    assert box["properties"]["note"] == {"bsonType": ["string", "null"], "maxLength": 9}
    assert box["properties"]["tags"] == {"bsonType": "array", "minItems": 1, "items": {"bsonType": "string"}}
    assert box["properties"]["size"]["properties"]["width"] == {
        "bsonType": ["int", "long"],
        "minimum": 0,
        "exclusiveMinimum": True,
    }
    assert box["required"] == ["price", "at", "tags", "kind", "size"]
    assert (box["additionalProperties"], ball.get("additionalProperties")) == (False, None)
    assert ball["properties"]["weight"] == {"bsonType": ["double", "int", "long"]}


async def test_server_accepts_the_schema_of_a_model(database: Database) -> None:
    """And keeps it: what the model would refuse, the server refuses."""
    await apply_validator(database, "balls", Validator(schema=bson_schema(Ball)))
    ball = {"price": "1.00", "at": datetime(2026, 1, 1), "tags": ["a"], "kind": "ball", "weight": 1.5}  # noqa: DTZ001
    model = Ball.model_validate(ball | {"_id": "6561a5d2c3f4b5a697887766"})

    await database["balls"].insert_one(model.model_dump(by_alias=True, exclude_none=True))
    with pytest.raises(WriteError):
        await database["balls"].insert_one(ball)
