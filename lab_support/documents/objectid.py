"""`ObjectId` as the type of a Pydantic field: text in JSON, the driver's own object in Python.

The usual recipe, a subclass of `ObjectId` with validators of its own, fails under Pydantic 2, and `json_encoders` is
deprecated. An annotation says the three things that matter: what is accepted, how JSON shows it, and how a schema
describes it.

Section:
    13.7, "ObjectId in and out"
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from bson import ObjectId
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

FORMAT: Final = "objectid"
PATTERN: Final = "^[0-9a-f]{24}$"
EXAMPLE: Final = "6561a5d2c3f4b5a697887766"
_HEX = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)


class InvalidObjectIdError(ValueError):
    """A text is not an id; it is not repeated, because it came from outside."""

    def __init__(self) -> None:
        super().__init__(f"An id has 24 hexadecimal digits, such as {EXAMPLE}.")


def parse_object_id(text: str) -> ObjectId:
    """Read an id from text.

    `ObjectId(text)` and `ObjectId.is_valid(text)` also take 12 bytes, and `ObjectId(None)` makes up a new id.

    Raises:
        InvalidObjectIdError: The text has not exactly 24 hexadecimal digits.
    """
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise InvalidObjectIdError
    return ObjectId(text)


class ObjectIdField:
    """What Pydantic asks about a field that holds an id."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Accept an id or its text; in JSON only the text. Write text to JSON and the id itself to Python."""
        from_text = core_schema.chain_schema(
            [
                core_schema.str_schema(strict=True),
                core_schema.no_info_plain_validator_function(_from_text),
            ]
        )
        from_python = core_schema.union_schema([core_schema.is_instance_schema(ObjectId), from_text])
        as_text = core_schema.plain_serializer_function_ser_schema(
            str, return_schema=core_schema.str_schema(), when_used="json"
        )
        return core_schema.json_or_python_schema(
            json_schema=from_text, python_schema=from_python, serialization=as_text
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the text, which is the same in requests and in answers."""
        return {"type": "string", "format": FORMAT, "pattern": PATTERN, "examples": [EXAMPLE]}


def _from_text(text: str) -> ObjectId:
    try:
        return parse_object_id(text)
    except InvalidObjectIdError as error:
        raise PydanticCustomError("object_id", "An id has 24 hexadecimal digits") from error


PyObjectId = Annotated[ObjectId, ObjectIdField]
"""The id of a document. `model_dump()` gives an `ObjectId` for the driver, `model_dump(mode="json")` its text."""
