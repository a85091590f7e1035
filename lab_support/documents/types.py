"""Names for what both drivers offer: Motor's classes and those of `pymongo.AsyncMongoClient` are used alike.

Section:
    13.7, "Motor's sunset"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

Document = dict[str, Any]
Driver = Literal["motor", "pymongo"]

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.collection import AsyncCollection
    from pymongo.asynchronous.database import AsyncDatabase

    Client = AsyncIOMotorClient[Document] | AsyncMongoClient[Document]
    Database = AsyncIOMotorDatabase[Document] | AsyncDatabase[Document]
    Collection = AsyncIOMotorCollection[Document] | AsyncCollection[Document]
else:  # FastAPI looks annotations up at run time, and nobody should pay for a driver that is not used
    Client = Database = Collection = Any
