from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lab_support.documents.money import Money

PyObjectId = Annotated[str, BeforeValidator(str)]


class ProductRead(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    id: PyObjectId = Field(validation_alias="_id")
    name: str
    price: Money
    stock: int
