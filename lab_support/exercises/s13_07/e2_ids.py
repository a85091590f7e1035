"""13.7.2: the id type and the response model, judged by what they accept, what they show and how they describe it."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from lab_support.exercises.attempt import Attempt
from lab_support.exercises.model import Exercise, Misconception
from lab_support.exercises.over_http import send
from lab_support.exercises.s13_07.served import app_on, asking
from lab_support.exercises.s13_07.shop import COLLECTION, a_product, new_id
from lab_support.exercises.story import Story

ids = Exercise(
    id="13.7.2",
    title="The id type and the response model",
    task="Make ObjectId a type that Pydantic can check, show and describe, and show a stored product with it.",
    student_writes=("PyObjectId", "ProductRead"),
    witness="answers",
    hints=(
        "An id stands in three places: in text that comes from outside, in BSON, and in JSON that goes out. Which "
        "type has it in each, and what is it called there?",
        "`Annotated[ObjectId, PlainValidator(…), PlainSerializer(str, return_type=str, when_used='json'), "
        "WithJsonSchema(…)]`. The stored name is a `validation_alias`; `populate_by_name=True` keeps the other one.",
        "def read_id(value):\n"
        "    if isinstance(value, ObjectId): return value\n"
        "    if isinstance(value, str) and ObjectId.is_valid(value): return ObjectId(value)\n"
        "    raise ValueError('An id has 24 hexadecimal digits.')\n"
        "# in the model: id: PyObjectId = Field(validation_alias='_id')",
    ),
    misconceptions=(
        Misconception(
            "leaks-underscore-id",
            "You believe that an alias is for reading only. FastAPI writes answers by alias too, so callers see "
            "`_id`: use validation_alias, or a serialization_alias beside it.",
            lambda seen: seen.shows_underscore is True,
        ),
        Misconception(
            "json-encoders",
            "You believe that an id needs a way out and nothing else. json_encoders are deprecated, and neither read "
            "an id from text nor describe it, so /openapi.json breaks: put all three into an Annotated type.",
            lambda seen: seen.shown_well and seen.undescribed,
        ),
        Misconception(
            "accepts-anything",
            "You believe that whatever can be a str is an id. `str` takes everything, and a nonsense id goes on "
            "to the database, which finds nothing: check for 24 hexadecimal digits, and make an ObjectId.",
            lambda seen: seen.shown_well and bool(seen.accepted),
        ),
    ),
)


@ids.act
async def request(attempt: Attempt, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Send one request to an application that answers stored documents by the student's model."""
    return await send(attempt, _app(attempt), method, path, body)


http = asking(request)


def _app(attempt: Attempt) -> FastAPI:
    app = app_on(attempt)
    products = attempt.documents[COLLECTION]

    @app.get("/products/{product_id}", response_model=attempt.the("ProductRead"))
    async def read(product_id: str) -> Any:
        return await products.find_one({"_id": ObjectId(product_id)})

    return app


@ids.act
async def read_ids(attempt: Attempt, given: list[dict[str, Any]], as_json: bool = False) -> list[str]:
    """Validate values as `PyObjectId`; say for each which type it became, or that it was refused."""
    adapter, found = TypeAdapter(attempt.the("PyObjectId")), []
    for one in given:
        value: Any = _python_value(one)
        try:
            read = adapter.validate_json(f'"{value}"') if as_json else adapter.validate_python(value)
        except ValidationError:
            found.append("refused")
        else:
            found.append(f"{type(read).__name__} {read}")
    return found


def _python_value(told: dict[str, Any]) -> Any:
    kind, value = told["kind"], told["value"]
    if kind == "ObjectId":
        return ObjectId(value)
    return bytes.fromhex(value) if kind == "bytes" else value


@ids.act
async def read_document(attempt: Attempt, named: bool) -> dict[str, Any]:
    """Have the model read a stored document, or its values by the names of the fields, and dump it both ways."""
    document: Any = await attempt.documents[COLLECTION].find_one({})
    if named:
        document["id"] = document.pop("_id")
    product = attempt.the("ProductRead").model_validate(document)
    return {
        "python": type(product.model_dump()["id"]).__name__,
        "json": product.model_dump(mode="json")["id"],
    }


def _seeded(story: Story) -> dict[str, Any]:
    row = a_product(story.random, supplier_cost=story.random.randint(1, 99))
    story.documents[COLLECTION].insert_many([row])
    return row


@ids.scenario("a stored product is shown with the text of its id as `id`", on="mongodb")
async def shows(story: Story) -> None:
    row = _seeded(story)
    answer = await http(story, "GET", f"/products/{row['_id']}")
    told = answer["json"] if isinstance(answer["json"], dict) else {}
    wanted = {"id": str(row["_id"]), "name": row["name"], "price": str(row["price"]), "stock": row["stock"]}
    story.saw(shows_underscore="_id" in told, shown_well=told == wanted)
    story.equal(answer["status"], 200, "Your model cannot show a stored product.")
    story.equal(told, wanted, "The JSON is not the product's.")


@ids.scenario("the documentation describes the id as text", on="mongodb")
async def describes(story: Story) -> None:
    answer = await http(story, "GET", "/openapi.json")
    story.saw(undescribed=answer["status"] != 200)
    story.equal(answer["status"], 200, "The application cannot describe your model.")
    parts = answer["json"]["components"]["schemas"]
    described = [part["properties"].get("id", {}) for part in parts.values() if "price" in part["properties"]]
    story.equal([one.get("type") for one in described], ["string"], "The id is not described as a string.")


@ids.scenario("an id and its text become an ObjectId", on="mongodb")
async def takes_ids(story: Story) -> None:
    text = str(new_id(story.random))
    given = [{"kind": "ObjectId", "value": text}, {"kind": "str", "value": text}]
    answer = await story.ask(read_ids, call=f"PyObjectId of ObjectId({text!r}) and of {text!r}", given=given)
    from_json = await story.ask(read_ids, call=f"PyObjectId of JSON {text!r}", given=given[1:], as_json=True)
    story.equal(
        answer.value + from_json.value, [f"ObjectId {text}"] * 3, "What is an id does not become an ObjectId."
    )


@ids.scenario("nothing else is an id", on="mongodb", points=2)
async def refuses_the_rest(story: Story) -> None:
    text = str(new_id(story.random))
    nonsense: list[dict[str, Any]] = [
        {"kind": "str", "value": f"lamp {story.random.randint(1, 99)}"},
        {"kind": "str", "value": text[:-1]},
        {"kind": "str", "value": f"{text}0"},
        {"kind": "str", "value": f"{text[:-1]}g"},
        {"kind": "str", "value": ""},
        {"kind": "bytes", "value": text},
        {"kind": "int", "value": story.random.randint(1, 10**6)},
        {"kind": "None", "value": None},
    ]
    answer = await story.ask(read_ids, call="PyObjectId of things that are no ids", given=nonsense)
    accepted = [
        f"{one['kind']} {one['value']!r}"
        for one, became in zip(nonsense, answer.value, strict=True)
        if became != "refused"
    ]
    story.saw(accepted=accepted)
    story.equal(accepted, [], "What is no id is accepted.")


@ids.scenario("the model reads both names, and keeps the ObjectId in Python", on="mongodb")
async def both_ways(story: Story) -> None:
    row = _seeded(story)
    for named, words in ((False, "_id"), (True, "id")):
        call = f"ProductRead of a document whose id is called {words}"
        dumped = await story.ask(read_document, call=call, named=named)
        story.equal(dumped["json"], str(row["_id"]), "In JSON the id is not its text.")
        story.equal(dumped["python"], "ObjectId", "`model_dump()` does not give the driver an ObjectId.")
