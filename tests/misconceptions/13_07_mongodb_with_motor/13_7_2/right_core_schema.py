from typing import Annotated

from bson import ObjectId
from pydantic import AliasChoices, BaseModel, Field
from pydantic_core import core_schema

from lab_support.documents.money import Money


class _Id:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        text = core_schema.str_schema(pattern="^[0-9a-fA-F]{24}$", strict=True)
        from_text = core_schema.no_info_after_validator_function(ObjectId, text)
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(ObjectId), from_text]),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema, handler):
        return {"type": "string"}


PyObjectId = Annotated[ObjectId, _Id]


class ProductRead(BaseModel):
    id: PyObjectId = Field(validation_alias=AliasChoices("_id", "id"))
    name: str
    price: Money
    stock: int
