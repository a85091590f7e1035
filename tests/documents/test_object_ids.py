"""`PyObjectId`: what it accepts, how it is written, how a schema describes it."""

import json

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lab_support.documents.objectid import InvalidObjectIdError, PyObjectId, parse_object_id

HEX = "6561a5d2c3f4b5a697887766"
IDS: TypeAdapter[ObjectId] = TypeAdapter(PyObjectId)


class Thing(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    id: PyObjectId = Field(alias="_id")
    other: PyObjectId | None = None


def test_text_becomes_an_id_in_python_and_in_json() -> None:
    """Both ways in give the driver's own object."""
    assert IDS.validate_python(HEX) == IDS.validate_json(f'"{HEX}"') == ObjectId(HEX)
    assert type(IDS.validate_python(HEX.upper())) is ObjectId


def test_id_itself_is_kept() -> None:
    """What the driver gives needs no detour through text."""
    id_ = ObjectId()
    assert IDS.validate_python(id_) is id_


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        HEX[:-1],
        HEX + "0",
        HEX + "\n",
        "z" * 24,
        "\u0660" * 24,
        "twelve bytes",
        b"twelve bytes",
        12,
        {"$oid": HEX},
        {"$gt": ""},
        [HEX],
    ],
    ids=repr,
)
def test_anything_else_is_refused(wrong: object) -> None:
    """`ObjectId` itself would take twelve bytes, and make up a new id for None."""
    with pytest.raises(ValidationError):
        IDS.validate_python(wrong)


@given(st.text("0123456789abcdefABCDEF", min_size=24, max_size=24))
def test_accepted_text_is_written_in_small_letters(text: str) -> None:
    """One id has one address."""
    assert str(parse_object_id(text)) == text.lower()


@given(st.text().filter(lambda text: len(text) != 24))
def test_other_text_is_refused_without_repeating_it(text: str) -> None:
    """The error's text is the same whatever was sent."""
    with pytest.raises(InvalidObjectIdError, match=r"^An id has 24 hexadecimal digits, such as \w{24}\.$"):
        parse_object_id(text)


def test_python_gets_the_id_and_json_its_text() -> None:
    """A dump for the driver and a dump for the network differ, inside optional fields too."""
    thing = Thing.model_validate({"_id": HEX, "other": HEX})

    assert thing.model_dump(by_alias=True) == {"_id": ObjectId(HEX), "other": ObjectId(HEX)}
    assert json.loads(thing.model_dump_json()) == {"id": HEX, "other": HEX}
    assert thing.model_dump(mode="json", by_alias=True)["_id"] == HEX


def test_written_document_is_read_again() -> None:
    """By its name in Python and by its name in MongoDB."""
    thing = Thing(id=ObjectId())

    assert Thing.model_validate(thing.model_dump(by_alias=True)) == thing
    assert Thing.model_validate(thing.model_dump()) == thing
    assert Thing.model_validate_json(thing.model_dump_json(by_alias=True)) == thing


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_schema_tells_the_same_in_requests_and_answers(mode: str) -> None:
    """A client can check an id before it sends one."""
    schema = IDS.json_schema(mode="validation" if mode == "validation" else "serialization")

    assert schema["type"] == "string"
    assert schema["pattern"] == "^[0-9a-f]{24}$"
