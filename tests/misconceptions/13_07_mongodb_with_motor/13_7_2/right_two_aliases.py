from typing import Annotated

from bson import ObjectId
from bson.errors import InvalidId
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from lab_support.documents.money import Money


def read(value):
    try:
        return value if isinstance(value, ObjectId) else ObjectId(str(value))
    except InvalidId as error:
        raise ValueError("That is no id.") from error


PyObjectId = Annotated[
    ObjectId,
    PlainValidator(read),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 24, "maxLength": 24}),
]


class ProductRead(BaseModel):
    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    id: PyObjectId = Field(alias="_id", serialization_alias="id")
    name: str
    price: Money
    stock: int
