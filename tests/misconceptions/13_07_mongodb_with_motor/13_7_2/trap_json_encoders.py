import warnings

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from lab_support.documents.money import Money

PyObjectId = ObjectId

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)

    class ProductRead(BaseModel):
        model_config = ConfigDict(
            arbitrary_types_allowed=True, populate_by_name=True, json_encoders={ObjectId: str}
        )

        id: PyObjectId = Field(validation_alias="_id")
        name: str
        price: Money
        stock: int
